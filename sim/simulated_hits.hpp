// How often a placement's cache of experts has what tokens choose: from its size, its policy and the routing's
// locality.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <utility>

#include "model/architecture.hpp"
#include "model/hybrid_description.hpp"

namespace moesaic {

/// Share of the choices that find their expert in the cache that `placement` describes (its `cached`), in steps of
/// `batch` tokens. Over layers that are alike: eight of the network's, or all where they share one pool; over a trace
/// of popularity `routing` (as --routing takes it) or of the described load deviation, warmed up. Guesses that are kept
/// take slots: a wrong one may evict what would have been hit; a right one is no hit here, as it was copied.
/// Throws UserError that names the placement: no experts, no such policy, no whole slot, a locality that cannot be had.
double simulated_hits(const HybridDescription& placement, const Architecture& architecture, std::int64_t batch,
                      const std::string& routing);

/// The same of caches of one placement that differ in their share of the experts, each simulated once, over traces that
/// are drawn once. For any number of threads.
class HitTable {
 public:
  /// Throws UserError as simulated_hits() does, but for slots.
  HitTable(HybridDescription placement, const Architecture& architecture, std::string routing);
  ~HitTable();
  HitTable(const HitTable&) = delete;
  HitTable& operator=(const HitTable&) = delete;

  /// `share` of the experts on the device, less what is no whole slot of every layer; 0: less than one.
  double whole_slots(double share) const;
  /// What simulated_hits() says of that share. Throws UserError.
  double hits(double share, std::int64_t batch);

 private:
  struct Traced;
  std::shared_ptr<const Traced> traced(std::int64_t batch);

  HybridDescription placement_;
  std::string routing_;
  std::int64_t layers_ = 0;
  MoeFeedForward experts_;
  std::mutex lock_;
  std::map<std::int64_t, std::shared_ptr<const Traced>> traced_;  ///< by batch
  std::map<std::pair<std::int64_t, double>, double> hits_;        ///< by batch and share
};

}  // namespace moesaic
