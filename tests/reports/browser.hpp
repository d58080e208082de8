// A headless Chromium for tests of pages.
#pragma once

#include <optional>
#include <string>

namespace moesaic {

/// The program, if this machine has one.
std::optional<std::string> find_browser();

/// The page after its scripts ran, as the browser serialises it. `name` is the file name under the tests' output
/// folder.
std::string load_in_browser(const std::string& browser, const std::string& name, const std::string& page);

/// The opening tag of such a page: it carries data-charts and data-error.
std::string root(const std::string& dom);

}  // namespace moesaic
