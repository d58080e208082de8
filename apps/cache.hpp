// moesaic cache: hit rates of expert caches over a trace with locality.
#pragma once

#include <string>
#include <vector>

namespace CLI {
class App;
}

namespace moesaic {

/// `moesaic cache` in the words of the command line; counts are read by parse_count.
struct CacheOptions {
  std::string model, experts, top_k, layers;
  std::string routing = "uniform", trace, locality;
  std::string load_deviation;  ///< instead of --routing
  std::string tokens = "4096", seed = "1", batch = "1", document = "0", warm_up = "0";
  std::vector<std::string> capacities = {"2x"};
  std::vector<std::string> policies = {"lru", "lfu", "belady", "optimal"};
  bool shared = false, cold = false, batching = false;
  std::string pinned_layers = "0", segment = "16", look_ahead = "16", waiting;
  double score_weight = 0.1;
  std::string prefetch;
  std::string format = "text", output_file;
};

CLI::App* add_cache_command(CLI::App& app, CacheOptions& options);
/// Throws UserError. JSON is the contract of configs/schema/cache.json.
std::string cache_result(const CacheOptions& options, bool rich);

}  // namespace moesaic
