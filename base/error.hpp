// The two kinds of error: the user's (UserError, exit code 2) and ours (an assertion).
#pragma once

#include <cstddef>
#include <stdexcept>
#include <string>
#include <string_view>

namespace moesaic {

/// The user's input is wrong. what() is one clear line: file, JSON path, what was found, what is allowed, nearest name.
/// Libraries throw it; only main() turns it into a message and exit code 2.
class UserError : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

/// Text of any origin made fit for a one-line message: control characters and invalid UTF-8 are written as \n or \xNN,
/// and what is longer than `limit` bytes is cut with "...".
std::string printable(std::string_view text, std::size_t limit = 80);

namespace detail {
[[noreturn]] void assertion_failed(const char* condition, const char* file, int line);
}

}  // namespace moesaic

/// A broken invariant is a bug of ours: prints the condition and aborts, in every build type.
#define MOESAIC_ASSERT(condition) \
  ((condition) ? void(0) : ::moesaic::detail::assertion_failed(#condition, __FILE__, __LINE__))
