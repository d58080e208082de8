#include "browser.hpp"

#include <cstdio>
#include <filesystem>
#include <fstream>
#include <memory>
#include <regex>

namespace moesaic {
namespace {

std::string output_of(const std::string& command) {
  const std::unique_ptr<FILE, int (*)(FILE*)> pipe(popen(command.c_str(), "r"), pclose);
  std::string output;
  char buffer[65536];
  while (pipe) {
    const std::size_t count = fread(buffer, 1, sizeof buffer, pipe.get());
    if (count == 0) {
      break;
    }
    output.append(buffer, count);
  }
  return output;
}

}  // namespace

std::optional<std::string> find_browser() {
  std::string path = output_of("command -v chromium || command -v chromium-browser || command -v google-chrome");
  while (path.ends_with('\n')) {
    path.pop_back();
  }
  return path.empty() ? std::nullopt : std::optional(path.substr(0, path.find('\n')));
}

std::string load_in_browser(const std::string& browser, const std::string& name, const std::string& page) {
  namespace fs = std::filesystem;
  const fs::path file = fs::path(MOESAIC_PAGES) / (name + ".html");
  const fs::path profile = fs::path(MOESAIC_PAGES) / (name + ".profile");
  std::ofstream(file) << page;
  fs::remove_all(profile);
  fs::create_directories(profile);
  // Nothing of the user's profile, nothing from the network, and time that runs as fast as the page does.
  const std::string command =
      "timeout 120 '" + browser +
      "' --headless --no-sandbox --disable-gpu --disable-quic --disable-dev-shm-usage --no-first-run "
      "--disable-background-networking --disable-component-update --disable-sync --virtual-time-budget=5000 "
      "--window-size=1400,1200 --user-data-dir='" +
      profile.string() + "' --dump-dom 'file://" + file.string() + "' 2>/dev/null";
  const std::string dom = output_of(command);
  std::error_code left;  // the browser may still be writing into its profile
  fs::remove_all(profile, left);
  return dom;
}

std::string root(const std::string& dom) {
  std::smatch match;
  return std::regex_search(dom, match, std::regex("<html[^>]*>")) ? match.str() : "no <html>";
}

}  // namespace moesaic
