// Several predictions row by row, in words: for text and page alike.
#pragma once

#include <string>
#include <vector>

#include "sim/prediction.hpp"

namespace moesaic {

/// One row: a cell per prediction. `best` marks the best of those that fit, where they differ.
struct ComparedRow {
  std::string name;
  std::vector<std::string> cells;
  std::vector<bool> best;
};
std::vector<ComparedRow> compare(const std::vector<Prediction>& predictions);

}  // namespace moesaic
