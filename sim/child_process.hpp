// Private to sim: a program that reads all of its input, writes its answer and ends.
#pragma once

#include <filesystem>
#include <string>
#include <string_view>

namespace moesaic {

/// What the program writes to its standard output when it is given `input`. Throws UserError of one line, with the last
/// line of its standard error, where it cannot be started, is killed, or does not return 0.
std::string answer_of(const std::filesystem::path& program, std::string_view input);

}  // namespace moesaic
