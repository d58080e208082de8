// Descriptions of hybrid placements, read and written.
#include "model/hybrid_description.hpp"

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "base/config.hpp"
#include "model/placement.hpp"

namespace moesaic {
namespace {

using Json = nlohmann::json;

Json written(const HybridDescription& description) { return Json::parse(to_json(description)); }
HybridDescription described_by(const Json& json) { return read_hybrid(Config::parse(json.dump(), "test")); }

// Every member with a value that it does not have by itself, so that one which is read and not written is missed.
TEST(HybridDescriptions, WriteWhatTheyRead) {
  Json json = Json::parse(R"({"name": "unnamed", "kind": "placement", "description": "", "engine": "",
 "device_layers": 3, "dense": {"device": 0.5, "unit": "device"},
 "experts": {"device": 0.25, "hits": 0.625, "missing": "cheaper",
             "prefetch": {"accuracy": 0.5, "look_ahead": 2, "extra": 0.25, "guesses": "buffered"}, "cache": null,
             "deferred": 0.125, "host_tokens": 7.0, "evicted": "dropped", "copied_bytes": 0.75, "skipped": 0.375,
             "buffered": 5},
 "cache": {"device": 0.125, "host_attention": 0.875, "attended": 0.5}, "activations": {"device": 0.25, "tokens": 512.0},
 "buffered_layers": 3, "batches": 4, "copies": "staged", "overlap": "copies", "sockets": "spread",
 "storage": {"weights": 0.5, "cache": 0.25},
 "long_prompts": {"above": 64.0, "missing": "balanced", "host_tokens": 9.0, "host_attention": 0.5, "buffered_layers": 4,
                  "copies": "pageable"}})");
  EXPECT_EQ(written(described_by(json)), json);
  json["experts"]["missing"] = "fetched";
  json["experts"]["hits"] = json["experts"]["host_tokens"] = json["long_prompts"] = nullptr;
  json["experts"]["deferred"] = 0.0;
  json["experts"]["evicted"] = "copied";
  json["experts"]["prefetch"]["guesses"] = "kept";
  json["experts"]["cache"] = Json::parse(R"({"policy": "lfu", "srp": 0.5, "segment": 8, "repeat": 0.0, "document": 64,
                                             "load_deviation": 0.25, "shared": true})");
  EXPECT_EQ(written(described_by(json)), json);
  json["experts"]["cache"]["srp"] = nullptr;
  json["experts"]["cache"]["repeat"] = 0.25;
  EXPECT_EQ(written(described_by(json)), json);
}

TEST(HybridDescriptions, ShippedOnesAreReadAsWritten) {
  int hybrids = 0;
  for (const PlacementSummary& placement : list_placements()) {
    const auto shipped = placement.name == "resident" ? std::nullopt : find_hybrid(placement.name, {});
    if (shipped) {
      EXPECT_EQ(written(described_by(written(*shipped))), written(*shipped)) << placement.name;
      ++hybrids;
    }
  }
  EXPECT_GT(hybrids, 15);
}

}  // namespace
}  // namespace moesaic
