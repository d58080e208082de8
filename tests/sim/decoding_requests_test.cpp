// agreement: decoding requests by sums and events, against a list of them that is walked through.
#include "sim/decoding_requests.hpp"

#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include <algorithm>
#include <cmath>
#include <map>

namespace moesaic {
namespace {

struct Listed {
  std::uint32_t request;
  std::int64_t context, left;
};

/// Requests and the sum of contexts of every region, by a loop over all.
std::map<std::int64_t, std::pair<double, double>> regions_of(const std::vector<Listed>& all,
                                                             const std::vector<ServingSystem::Window>& windows) {
  std::map<std::int64_t, std::pair<double, double>> regions;
  for (const Listed& each : all) {
    std::int64_t region = 0;
    for (const ServingSystem::Window& window : windows) {
      const double edges = std::floor(static_cast<double>(each.context) / window.tokens);
      region += static_cast<std::int64_t>(window.repeats ? edges : std::min(edges, 1.0));
    }
    regions[region].first += 1;
    regions[region].second += static_cast<double>(each.context);
  }
  return regions;
}

RC_GTEST_PROP(DecodingRequests, AreAListThatIsWalkedThrough, ()) {
  const std::vector<std::vector<ServingSystem::Window>> kinds = {
      {}, {{16, false}}, {{16, true}}, {{10, true}, {33, false}}};
  const std::vector<ServingSystem::Window> windows = *rc::gen::elementOf(kinds);
  DecodingRequests requests(windows);
  std::vector<Listed> all;
  std::uint32_t next = 0;
  for (int round = 0; round < 60; ++round) {
    if (*rc::gen::inRange(0, 3) == 0 || all.empty()) {
      const Listed added{next++, *rc::gen::inRange(1, 60), *rc::gen::inRange(1, 50)};
      requests.add(added.request, added.context, added.left);
      all.push_back(added);
    }
    RC_ASSERT(requests.size() == static_cast<std::int64_t>(all.size()));
    const auto regions = regions_of(all, windows);
    const Batch batch = requests.batch();
    RC_ASSERT(batch.groups.size() == regions.size());
    std::size_t i = 0;
    double sum = 0;
    for (const auto& [region, of_region] : regions) {
      RC_ASSERT(batch.groups[i].sequences == of_region.first);
      RC_ASSERT(std::abs(batch.groups[i++].context - of_region.second / of_region.first) < 1e-9);
      sum += of_region.second;
    }
    RC_ASSERT(std::abs(requests.mean_context() - sum / static_cast<double>(all.size())) < 1e-9);

    const std::int64_t steps = *rc::gen::inRange<std::int64_t>(1, requests.to_next_event() + 1);
    std::vector<std::uint32_t> done, expected;
    requests.advance(steps, done);
    for (Listed& each : all) {
      each.context += steps;
      each.left -= steps;
      RC_ASSERT(each.left >= 0);
      if (each.left == 0) {
        expected.push_back(each.request);
      }
    }
    std::erase_if(all, [](const Listed& each) { return each.left == 0; });
    RC_ASSERT(done == expected);
    if (all.empty()) {
      continue;
    }
  }
}

}  // namespace
}  // namespace moesaic
