#include "apps/search_goal.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <vector>

#include "apps/scenario.hpp"
#include "base/error.hpp"
#include "base/nearest.hpp"
#include "base/quantity_text.hpp"

namespace moesaic {
namespace {

constexpr std::int64_t kMostTop = 1000;

SearchObjective parse_objective(bool training, const std::string& text) {
  const std::vector<std::string> names = training ? std::vector<std::string>{"throughput", "step"}
                                                  : std::vector<std::string>{"throughput", "tpot", "ttft"};
  const auto found = std::find(names.begin(), names.end(), text);
  if (found == names.end()) {
    throw UserError(fmt::format("--objective: unknown objective '{}'{}", printable(text), suggest(text, names)));
  }
  return static_cast<SearchObjective>(found - names.begin());
}

Seconds parse_time(const std::string& key, const std::string& text) {
  try {
    const Seconds time = parse_quantity<Seconds>(text);
    if (time > Seconds{0}) {
      return time;
    }
  } catch (const UserError& error) {
    throw UserError(fmt::format("--slo: {}: {}", key, error.what()));
  }
  throw UserError(fmt::format("--slo: {}={} is not above zero", key, printable(text)));
}

}  // namespace

SearchGoal parse_search_goal(bool training, const std::string& objective, const std::string& slo,
                             const std::string& top) {
  SearchGoal goal;
  goal.objective = parse_objective(training, objective);
  const std::int64_t wanted = parse_count("--top", top);
  if (wanted < 1 || wanted > kMostTop) {
    throw UserError(fmt::format("--top: {} is not a whole number from 1 to {}", wanted, kMostTop));
  }
  goal.top = static_cast<std::size_t>(wanted);
  for (std::size_t from = 0; from < slo.size();) {
    const std::size_t to = std::min(slo.find(',', from), slo.size());
    const std::string item = slo.substr(from, to - from);
    const std::size_t equals = std::min(item.find('='), item.size());
    const std::string key = item.substr(0, equals);
    const std::vector<std::string> keys =
        training ? std::vector<std::string>{"step"} : std::vector<std::string>{"tpot", "ttft"};
    if (std::find(keys.begin(), keys.end(), key) == keys.end()) {
      throw UserError(
          fmt::format("--slo: unknown key '{}' in '{}'{}", printable(key), printable(slo), suggest(key, keys)));
    }
    if (equals == item.size()) {
      throw UserError(fmt::format("--slo: '{}' has no value; write for example {}=50ms", key, key));
    }
    std::optional<Seconds>& slot = key == "ttft" ? goal.most_first : goal.most_pace;
    if (slot) {
      throw UserError(fmt::format("--slo: '{}' is given twice in '{}'", key, printable(slo)));
    }
    slot = parse_time(key, item.substr(equals + 1));
    from = to + 1;
  }
  return goal;
}

}  // namespace moesaic
