#include <fmt/format.h>

#include <fstream>
#include <system_error>

#include "base/config.hpp"
#include "base/config_document.hpp"
#include "base/error.hpp"
#include "base/json_text.hpp"

namespace moesaic {
namespace {

constexpr std::uintmax_t kLargestFile = 64u << 20;  // bytes

[[noreturn]] void refuse(const std::filesystem::path& file, std::string_view reason) {
  throw UserError(fmt::format("{}: {}", printable(file.string(), 400), reason));
}

[[noreturn]] void refuse_size(const std::filesystem::path& file) {
  refuse(file, fmt::format("larger than {} MiB, which no configuration needs", kLargestFile >> 20));
}

std::string read_file(const std::filesystem::path& file) {
  std::error_code error;
  const auto status = std::filesystem::status(file, error);
  switch (status.type()) {
    case std::filesystem::file_type::regular:
      break;
    case std::filesystem::file_type::not_found:
      refuse(file, "no such file");
    case std::filesystem::file_type::directory:
      refuse(file, "a directory, not a file");
    case std::filesystem::file_type::none:
      refuse(file, error.message());
    default:
      refuse(file, "not a regular file");
  }
  const auto size = std::filesystem::file_size(file, error);
  if (!error && size > kLargestFile) {
    refuse_size(file);
  }
  std::ifstream stream(file, std::ios::binary);
  if (!stream) {
    refuse(file, "cannot be opened for reading");
  }
  std::string text;
  char block[1 << 16];
  while (stream.read(block, sizeof block), stream.gcount() > 0) {
    text.append(block, static_cast<std::size_t>(stream.gcount()));
    if (text.size() > kLargestFile) {  // some files do not tell their size
      refuse_size(file);
    }
  }
  if (stream.bad()) {
    refuse(file, "cannot be read");
  }
  return text;
}

}  // namespace

Config Config::load(const std::filesystem::path& file) { return parse(read_file(file), file.string()); }

Config Config::parse(std::string_view text, std::string origin) {
  auto value = detail::read_json(text, origin);
  auto document = std::make_shared<Document>(std::move(origin), std::move(value));
  const void* root = &document->root;
  return {std::move(document), nullptr, root};
}

}  // namespace moesaic
