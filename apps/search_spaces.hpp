// From the words of the command line to what is searched, and from what was found to a report.
#pragma once

#include "apps/search.hpp"
#include "reports/search.hpp"
#include "sim/serving_search.hpp"
#include "sim/training_search.hpp"

namespace moesaic {

/// Both throw UserError: of options that contradict each other, the machine or the model.
ServingSpace serving_space(const SearchOptions& options);
TrainingSpace training_space(const SearchOptions& options);

/// Throw UserError where nothing was found: nothing fits (by how much, and what would), or nothing is fast enough (what
/// is the fastest).
void check_found(const ServingSpace& space, const SearchGoal& goal, const SearchOutcome& outcome);
void check_found(const TrainingSpace& space, const SearchGoal& goal, const SearchOutcome& outcome);

SearchReport report_of(const ServingSpace& space, const SearchGoal& goal, const SearchOutcome& outcome);
SearchReport report_of(const TrainingSpace& space, const SearchGoal& goal, const SearchOutcome& outcome);

}  // namespace moesaic
