// Parts of the page of a validation.
#pragma once

#include <string>
#include <vector>

#include "reports/validation_scores.hpp"

namespace moesaic {

// Pixels of charts of scores: of three bars, and of axis, title and legend.
inline constexpr int kScoreRow = 58;
inline constexpr int kScoreAxis = 120;

/// Most points of one scatter plot; more would only paint over each other.
inline constexpr std::size_t kMostPoints = 3000;

/// At most `most` of the rows, in their order, spread over all shapes; the worst ones among them. The same for the same
/// rows.
RowSet thinned(const Judgement& judgement, const RowSet& rows, std::size_t most);

/// "gemm, left out".
std::string title_of(const JudgedGroup& kind);

/// What the charts show, as JSON: an array with one element per kind.
std::string validation_page_data(const Validation& validation, const std::vector<KindRows>& kinds);

}  // namespace moesaic
