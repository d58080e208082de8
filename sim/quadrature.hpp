// Means over the steps of a generation, from a few contexts.
#pragma once

#include <vector>

#include "model/architecture.hpp"

namespace moesaic {

struct Node {
  double context = 0;
  double weight = 0;
};

/// Contexts and weights (summing to one) whose weighted sum is the mean over contexts first, first+1, ..., last of a
/// function that is smooth except where a window of this architecture fills: Simpson's rule between those points.
void mean_nodes(const Architecture& architecture, double first, double last, std::vector<Node>& out);

}  // namespace moesaic
