// Vector instructions that kernels are compiled for, and those that this processor has.
#pragma once

#include <string_view>
#include <vector>

namespace moesaic::cpu {

enum class Instructions : unsigned char { baseline, avx2, avx512, amx };
std::string_view name(Instructions instructions);
/// What this processor can run, slowest first.
std::vector<Instructions> usable_instructions();
Instructions best_instructions();

}  // namespace moesaic::cpu
