// What people read of a search over mappings.
#pragma once

#include <string>
#include <vector>

#include "reports/report.hpp"
#include "sim/search_rows.hpp"

namespace moesaic {

struct SearchReport {
  std::string model;
  std::string machine;
  std::string cost_model;
  std::string load;  ///< for people: "1,024 tokens in, 256 out"
  std::int64_t devices = 1;
  SearchGoal goal;
  SearchCounts counts;
  bool stopped = false;
  bool training = false;  ///< paces are steps, tokens are trained
  std::vector<SearchRow> best;
  std::vector<SearchRow> front;
};

/// "throughput", "tpot" (of training "step"), "ttft".
std::string objective_name(SearchObjective objective, bool training);
/// Why the second of the best lost, in a sentence or two with numbers; empty where there is none.
std::string why_lost(const SearchReport& report);
/// Its largest cost with its share: "decode: kernel efficiency 41%".
std::string largest_cost(const SearchRow& row);
/// How many candidates there were and what became of them, in a sentence.
std::string counts_sentence(const SearchReport& report);
/// "TPOT", or "step" of training.
std::string pace_name(const SearchReport& report);

std::string search_text(const SearchReport& report, const TextStyle& style);
/// The contract of configs/schema/search.json.
std::string search_json(const SearchReport& report);
std::string search_page(const SearchReport& report, const std::string& command);

}  // namespace moesaic
