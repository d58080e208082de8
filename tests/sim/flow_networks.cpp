#include "tests/sim/flow_networks.hpp"

#include <algorithm>
#include <random>

#include "base/error.hpp"

namespace moesaic {
namespace {

/// Channels are added as they are named.
std::uint32_t add_channels(FlowNetwork& network, std::uint32_t count, double bandwidth) {
  const auto first = static_cast<std::uint32_t>(network.capacity.size());
  network.capacity.resize(first + count, bandwidth);
  return first;
}

template <typename Function>
Pattern for_each_pair(std::uint32_t ranks, Function bytes_of) {
  Pattern pattern;
  for (std::uint32_t i = 0; i < ranks; ++i) {
    for (std::uint32_t j = 0; j < ranks; ++j) {
      if (i != j) {
        pattern.push_back({i, j, bytes_of(i, j)});
      }
    }
  }
  return pattern;
}

}  // namespace

FlowNetwork star_network(std::uint32_t ranks, double bandwidth) {
  FlowNetwork network{"star", ranks, {}, {}};
  add_channels(network, 2 * ranks, bandwidth);
  network.route = [](std::uint32_t i, std::uint32_t j) { return Hops{{2 * i}, {2 * j + 1}}; };
  return network;
}

FlowNetwork leaf_spine_network(std::uint32_t leaves, std::uint32_t ranks_per_leaf, std::uint32_t spines,
                               double bandwidth) {
  FlowNetwork network{"leaf-spine", leaves * ranks_per_leaf, {}, {}};
  add_channels(network, 2 * network.ranks, bandwidth);
  const std::uint32_t up = add_channels(network, leaves * spines, bandwidth);
  const std::uint32_t down = add_channels(network, leaves * spines, bandwidth);
  network.route = [=](std::uint32_t i, std::uint32_t j) {
    const std::uint32_t from = i / ranks_per_leaf;
    const std::uint32_t to = j / ranks_per_leaf;
    return from == to
               ? Hops{{2 * i}, {2 * j + 1}}
               : Hops{{2 * i}, {up + from * spines + j % spines}, {down + to * spines + j % spines}, {2 * j + 1}};
  };
  return network;
}

FlowNetwork torus_network(std::vector<std::uint32_t> dimensions, double bandwidth) {
  FlowNetwork network{"torus", 1, {}, {}};
  for (const std::uint32_t size : dimensions) {
    network.ranks *= size;
  }
  const auto directions = static_cast<std::uint32_t>(2 * dimensions.size());
  add_channels(network, network.ranks * directions, bandwidth);
  network.route = [=](std::uint32_t at, std::uint32_t destination) {
    Hops hops;
    std::uint32_t stride = 1;
    for (std::uint32_t d = 0; d < dimensions.size(); ++d) {
      const std::uint32_t size = dimensions[d];
      const std::uint32_t to = destination / stride % size;
      const bool ahead = (to + size - at / stride % size) % size <= size / 2;
      while (at / stride % size != to) {
        hops.push_back({at * directions + 2 * d + (ahead ? 0U : 1U)});
        const std::uint32_t place = at / stride % size;
        at = at - place * stride + (place + (ahead ? 1 : size - 1)) % size * stride;
      }
      stride *= size;
    }
    return hops;
  };
  return network;
}

FlowNetwork multi_plane_network(std::uint32_t nodes, std::uint32_t devices, double scale_up, double bandwidth) {
  FlowNetwork network{"multi-plane", nodes * devices, {}, {}};
  add_channels(network, 2 * network.ranks, scale_up);
  const std::uint32_t adapter = add_channels(network, 2 * network.ranks, bandwidth);
  network.route = [=](std::uint32_t i, std::uint32_t j) {
    const std::uint32_t on_plane = i / devices * devices + j % devices;
    Hops hops;
    if (i != on_plane) {
      hops = {{2 * i}, {2 * on_plane + 1}};
    }
    if (on_plane != j) {
      hops.push_back({adapter + 2 * on_plane});
      hops.push_back({adapter + 2 * j + 1});
    }
    return hops;
  };
  return network;
}

FlowNetwork dragonfly_network(std::uint32_t routers, std::uint32_t ranks_per_router, std::uint32_t globals,
                              double bandwidth) {
  const std::uint32_t groups = routers * globals + 1;
  FlowNetwork network{"dragonfly", groups * routers * ranks_per_router, {}, {}};
  add_channels(network, 2 * network.ranks, bandwidth);
  const std::uint32_t local = add_channels(network, groups * routers * routers, bandwidth);
  const std::uint32_t global = add_channels(network, groups * groups, bandwidth);
  network.route = [=](std::uint32_t i, std::uint32_t j) {
    Hops hops{{2 * i}};
    const std::uint32_t destination = j / ranks_per_router;  // router, counted over all groups
    std::uint32_t at = i / ranks_per_router;
    const auto go_to = [&](std::uint32_t router) {
      if (at != router) {
        hops.push_back({local + at * routers + router % routers});
      }
      at = router;
    };
    const std::uint32_t from = at / routers;
    const std::uint32_t to = destination / routers;
    if (from != to) {  // the k-th global link of a group leads to the k-th group after it
      go_to(from * routers + (to + groups - from - 1) % groups / globals);
      hops.push_back({global + from * groups + to});
      at = to * routers + (from + groups - to - 1) % groups / globals;
    }
    go_to(destination);
    hops.push_back({2 * j + 1});
    return hops;
  };
  return network;
}

Pattern all_to_all(std::uint32_t ranks, double bytes) {
  return for_each_pair(ranks, [&](std::uint32_t, std::uint32_t) { return bytes; });
}

Pattern permutation(std::uint32_t ranks, double bytes, std::uint64_t seed) {
  std::vector<std::uint32_t> to(ranks);
  for (std::uint32_t i = 0; i < ranks; ++i) {
    to[i] = i;
  }
  std::mt19937_64 random(seed);
  std::shuffle(to.begin(), to.end(), random);
  Pattern pattern;
  for (std::uint32_t i = 0; i < ranks; ++i) {
    if (to[i] != i) {
      pattern.push_back({i, to[i], bytes});
    }
  }
  return pattern;
}

Pattern ring_shift(std::uint32_t ranks, std::uint32_t by, double bytes) {
  Pattern pattern;
  for (std::uint32_t i = 0; i < ranks; ++i) {
    pattern.push_back({i, (i + by) % ranks, bytes});
  }
  return pattern;
}

Pattern ring_exchange(std::uint32_t ranks, double bytes) {
  Pattern pattern = ring_shift(ranks, 1, bytes);
  for (const TestFlow& back : ring_shift(ranks, ranks - 1, bytes)) {
    pattern.push_back(back);
  }
  return pattern;
}

Pattern incast(std::uint32_t ranks, std::uint32_t to, double bytes) {
  Pattern pattern;
  for (std::uint32_t i = 0; i < ranks; ++i) {
    if (i != to) {
      pattern.push_back({i, to, bytes});
    }
  }
  return pattern;
}

Pattern hot_expert(std::uint32_t ranks, std::uint32_t hot, double bytes) {
  return for_each_pair(ranks, [&](std::uint32_t, std::uint32_t j) { return j == hot ? 8 * bytes : bytes; });
}

Pattern hierarchical(std::uint32_t ranks, std::uint32_t group, double bytes, double second_start) {
  Pattern pattern;
  for (std::uint32_t i = 0; i < ranks; ++i) {
    for (std::uint32_t j = 0; j < ranks; ++j) {
      if (i != j && i / group == j / group) {
        pattern.push_back({i, j, bytes * (ranks / group)});
      } else if (i != j && i % group == j % group) {
        pattern.push_back({i, j, bytes * group, second_start});
      }
    }
  }
  return pattern;
}

Pattern random_sizes(std::uint32_t ranks, double bytes, std::uint64_t seed) {
  std::mt19937_64 random(seed);
  return for_each_pair(ranks, [&](std::uint32_t, std::uint32_t) {
    return bytes * (0.5 + static_cast<double>(random() >> 11) * 0x1p-53);
  });
}

Pattern staggered(std::uint32_t ranks, double bytes, double gap) {
  Pattern pattern = all_to_all(ranks, bytes);
  for (TestFlow& flow : pattern) {
    flow.start = flow.source * gap;
  }
  return pattern;
}

FlowProblem problem_of(const FlowNetwork& network, const Pattern& pattern) {
  FlowProblem problem;
  problem.capacity = network.capacity;
  problem.first.push_back(0);
  for (const TestFlow& flow : pattern) {
    MOESAIC_ASSERT(flow.source < network.ranks && flow.destination < network.ranks);
    const Hops hops = network.route(flow.source, flow.destination);
    problem.hops.insert(problem.hops.end(), hops.begin(), hops.end());
    problem.first.push_back(static_cast<std::uint32_t>(problem.hops.size()));
    problem.bytes.push_back(flow.bytes);
    problem.start.push_back(flow.start);
  }
  return problem;
}

}  // namespace moesaic
