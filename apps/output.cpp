#include "apps/output.hpp"

#include <filesystem>
#include <fstream>
#include <ostream>

#include "base/error.hpp"

namespace moesaic {

void write_result(const std::string& text, const std::string& file, std::ostream& out) {
  if (file.empty()) {
    out << text;
    return;
  }
  namespace fs = std::filesystem;
  std::error_code error;
  if (fs::is_directory(file, error)) {
    throw UserError("-o: '" + file + "' is a directory");
  }
  const fs::path part = file + ".part";
  {
    std::ofstream stream(part, std::ios::binary);
    stream << text;
    stream.flush();
    if (!stream) {
      stream.close();
      fs::remove(part, error);
      throw UserError("-o: cannot write '" + file + "'");
    }
  }
  fs::rename(part, file, error);
  if (error) {
    std::error_code ignored;
    fs::remove(part, ignored);
    throw UserError("-o: cannot write '" + file + "': " + error.message());
  }
}

}  // namespace moesaic
