#include "apps/output.hpp"

#include <filesystem>
#include <fstream>
#include <ostream>

#include "base/error.hpp"

namespace moesaic {
namespace {

namespace fs = std::filesystem;

/// Whether all of the text arrived.
bool written(const std::string& text, const fs::path& file) {
  std::ofstream stream(file, std::ios::binary);
  stream << text;
  stream.flush();
  return stream.good();
}

}  // namespace

void write_result(const std::string& text, const std::string& file, std::ostream& out, const std::string& option) {
  if (file.empty()) {
    out << text << std::flush;
    if (!out) {
      throw UserError("cannot write to standard output");
    }
    return;
  }
  check_output(option, file);
  std::error_code error;
  const fs::file_status status = fs::status(file, error);
  // A device or a pipe is written to; only a file may be replaced, and where a link leads, not the link.
  if (fs::exists(status) && !fs::is_regular_file(status)) {
    if (!written(text, file)) {
      throw UserError(option + ": cannot write '" + file + "'");
    }
    return;
  }
  const fs::path whole =
      fs::is_symlink(file, error) && fs::exists(status) ? fs::canonical(file, error) : fs::path(file);
  const fs::path part = whole.string() + ".part";
  if (!written(text, part)) {
    fs::remove(part, error);
    throw UserError(option + ": cannot write '" + file + "'");
  }
  fs::rename(part, whole, error);
  if (error) {
    std::error_code ignored;
    fs::remove(part, ignored);
    throw UserError(option + ": cannot write '" + file + "': " + error.message());
  }
}

void check_output(const std::string& option, const std::string& file) {
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
