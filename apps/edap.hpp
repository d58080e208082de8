// moesaic edap: energy x delay x area of units near memory, over arithmetic intensity.
#pragma once

#include <string>
#include <vector>

namespace CLI {
class App;
}

namespace moesaic {

struct EdapOptions {
  std::vector<std::string> machines{"bank-pim", "bank-group-pim", "duplex"};
  std::vector<double> intensities{1, 2, 4, 8, 16, 32};
  std::string area = "memory";
  std::string format = "text", output_file;
};

CLI::App* add_edap_command(CLI::App& app, EdapOptions& options);
/// Throws UserError. JSON is the contract of configs/schema/edap.json.
std::string edap_result(const EdapOptions& options, const std::string& command, bool rich);

}  // namespace moesaic
