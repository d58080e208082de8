// moesaic closed-form: published equations of offloading systems, evaluated.
#pragma once

#include <map>
#include <string>

namespace CLI {
class App;
}

namespace moesaic {

struct ClosedFormOptions {
  std::string form;
  std::map<std::string, std::string>
      figures;  ///< by option without "--"; a key of an option that was not given is empty
  bool gpu_attention = false, compressed = false;
  bool list = false;
  std::string format = "text", output_file;
};

CLI::App* add_closed_form_command(CLI::App& app, ClosedFormOptions& options);

/// Throws UserError.
std::string closed_form_result(const ClosedFormOptions& options, bool rich);

}  // namespace moesaic
