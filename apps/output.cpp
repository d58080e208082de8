#include "apps/output.hpp"

#include <filesystem>
#include <fstream>
#include <ostream>

#include "base/error.hpp"

namespace moesaic {

void write_result(const std::string& text, const std::string& file, std::ostream& out, const std::string& option) {
  if (file.empty()) {
    out << text;
    return;
  }
  namespace fs = std::filesystem;
  std::error_code error;
  if (fs::is_directory(file, error)) {
    throw UserError(option + ": '" + file + "' is a directory");
  }
  const fs::path part = file + ".part";
  {
    std::ofstream stream(part, std::ios::binary);
    stream << text;
    stream.flush();
    if (!stream) {
      stream.close();
      fs::remove(part, error);
      throw UserError(option + ": cannot write '" + file + "'");
    }
  }
  fs::rename(part, file, error);
  if (error) {
    std::error_code ignored;
    fs::remove(part, ignored);
    throw UserError(option + ": cannot write '" + file + "': " + error.message());
  }
}

void check_output(const std::string& option, const std::string& file) {
  namespace fs = std::filesystem;
  if (file.empty()) {
    return;
  }
  std::error_code error;
  const fs::path folder = fs::path(file).parent_path();
  if (fs::is_directory(file, error)) {
    throw UserError(option + ": '" + file + "' is a directory");
  }
  if (!folder.empty() && !fs::is_directory(folder, error)) {
    throw UserError(option + ": cannot write '" + file + "': there is no folder '" + folder.string() + "'");
  }
}

}  // namespace moesaic
