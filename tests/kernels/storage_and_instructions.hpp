// What tests of kernels with stored data go through: how it is stored, and the instructions.
#pragma once

#include <gtest/gtest.h>

#include <string>
#include <tuple>

#include "base/dtype.hpp"
#include "kernels/cpu/instructions.hpp"

namespace moesaic::cpu {

using StorageAndInstructions = std::tuple<DType, Instructions>;

inline std::string param_name(const testing::TestParamInfo<StorageAndInstructions>& info) {
  return std::string(name(std::get<0>(info.param))) + "_" + std::string(name(std::get<1>(info.param)));
}

}  // namespace moesaic::cpu
