// Synthetic traces of expert choices whose neighbours in time resemble each other, by a given or a published amount.
#pragma once

#include <cstdint>

#include "model/routing_trace.hpp"

namespace moesaic {

/// How a token's choice depends on what was chosen before it.
struct Locality {
  /// Chance that a token keeps each of the experts of the token before it, one by one. What it does not keep it draws
  /// by popularity, where it may meet the same ones again.
  double repeat = 0;
  /// Documents prefer experts: each multiplies every expert's popularity by a log-normal factor of this deviation.
  double preference = 0;
  std::int64_t document = 0;  ///< tokens of a document; 0: all one
  /// Chance that a token takes all its experts of the layer before; 1: the same in all layers (Read-ME,
  /// arXiv:2410.19123).
  double layer_copy = 0;
};

struct LocalTrace {
  std::int64_t layers = 1;
  std::int64_t tokens = 4096;
  std::uint64_t seed = 1;
  Locality locality;
};

/// A trace of the routing's experts; every layer orders them anew. A function of its arguments only, and a token's
/// choice does not depend on how many follow. Throws UserError if a chance is not in [0, 1], preference not in [0, 20],
/// counts not positive.
RoutingTrace local_trace(const Routing& routing, const LocalTrace& wanted);

/// The same with the locality that gives the SRP (model/local_routing.hpp) of `segment` tokens: the preference of
/// documents if there are documents, else the repeat. Found by bisection to 0.0005 on a shorter trace of the same
/// seed, one per question. Throws UserError if no value gives it, with the range that can be had.
Locality locality_of(double segment_performance, std::int64_t segment, const Routing& routing,
                     const LocalTrace& wanted);

/// A routing whose experts' shares of the tokens have this standard deviation ("LB SD" of arXiv:2505.16056, there in
/// hundredths): log-normal popularity at equal steps of probability. Throws UserError if it is not in [0, most), the
/// most where top_k experts have all.
Routing routing_of_deviation(std::int64_t experts, std::int64_t top_k, double deviation);

}  // namespace moesaic
