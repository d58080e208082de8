// A dense feed-forward divided by its columns between a processor and a unit beside the memory that work at once, as
// AttAcc (ASPLOS 2024) does with those that have few tokens.
#pragma once

#include <functional>
#include <span>

#include "model/operator.hpp"

namespace moesaic {

/// Its operators, the product to the intermediate width first and the one back last, with `share` of that width.
/// What goes in and comes out is whole.
Operator columns_of(const Operator& op, double share);

/// What a unit takes for work.
using UnitSeconds = std::function<Seconds(const Work&)>;

/// Share of the columns beside the memory, `most` at most, with which the later of both units is as early as can be;
/// `crossing`: of the input and the results on their way there and back. 0 or 1 where one unit alone is as early.
double near_memory_columns(std::span<const Operator> feed_forward, const UnitSeconds& processor,
                           const UnitSeconds& memory, Seconds crossing, double most = 1);

}  // namespace moesaic
