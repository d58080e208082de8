// Where a network's parts live and compute on a device with a host, in the words of configs/placements/*.json.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/config.hpp"

namespace moesaic {

/// What happens with a chosen expert whose weights are not on the device.
enum class MissingExperts : std::uint8_t {
  streamed,  ///< all experts of a layer are copied in ahead of it, chosen or not (MoE-Lens, SE-MoE, FlexGen)
  fetched,   ///< the chosen ones are copied in (on demand, or ahead where they are predicted)
  host,      ///< computed by the host beside its memory (KTransformers)
  cheaper,   ///< few tokens: on the host; many: copied in (Fiddler, arXiv:2402.07033)
  balanced   ///< as cheaper, divided so that host and link are done together (HybriMoE, arXiv:2504.05897 Eq 2)
};
std::string_view to_text(MissingExperts missing);

/// How copies pass between the host's memory and the link.
enum class CopyKind : std::uint8_t {
  pinned,   ///< the copy engine reads and writes them where they are
  staged,   ///< threads of the host pass them on through a pinned buffer, ahead
  pageable  ///< the driver does, while the thread that launches waits
};
std::string_view to_text(CopyKind copies);

/// What runs beside the device; all else takes its turn.
enum class Overlapping : std::uint8_t {
  all,
  copies,  ///< of weights, cached keys and values and residual streams, but not the host's work
  none
};
std::string_view to_text(Overlapping overlap);

/// What a cache of experts on the device lives on, from which its hits are simulated (sim/simulated_hits.hpp).
struct CachedExperts {
  std::string policy = "lru";                 ///< a name of CachePolicy
  std::optional<double> segment_performance;  ///< SRP of the routing: local_routing.hpp
  std::int64_t segment = 16;                  ///< of so many tokens
  double repeat = 0;                          ///< instead: chance that a token keeps an expert of the one before
  std::int64_t document = 0;                  ///< tokens of documents that prefer experts; 0: none
  std::optional<double> load_deviation;       ///< of experts' shares of the tokens
  bool shared = false;                        ///< one pool for all layers
};

/// Shares are of bytes (of cached tokens for the cache), from 0 to 1.
struct HybridDescription {
  std::string name;
  std::string description;
  std::string engine;  ///< of configs/software, that runs it where nothing else is said; empty: none

  int device_layers = 0;       ///< the first layers, wholly on the device; what follows is about the others
  double dense_on_device = 1;  ///< of weights of attention, shared experts and dense layers; the rest is streamed
  bool on_host = false;        ///< everything, computation too

  double experts_on_device = 0;
  std::optional<double> hits;  ///< of the tokens' choices that are on the device; absent: as many as experts are
  MissingExperts missing = MissingExperts::streamed;
  double prefetch_accuracy = 0;         ///< share of the chosen experts that is known ahead
  int look_ahead = 1;                   ///< in layers with experts: by whose gate they are guessed
  double prefetch_extra = 0;            ///< experts copied besides, per chosen one
  double skipped = 0;                   ///< of the tokens' choices, that no expert computes (AdapMoE arXiv:2408.10284)
  int expert_slots = 0;                 ///< experts pass through so many on the device, one by one; 0: all at once
  bool guesses_kept = false;            ///< what is copied ahead takes slots of the cache, right or wrong
  std::optional<CachedExperts> cached;  ///< hits follow from it
  bool copied_back = false;             ///< the host has no copy of what is on the device: evicted experts go back
  double copied_bytes = 1;              ///< of an expert's bytes, in which a missing one is copied (fewer bits)
  double deferred = 0;                  ///< of the host's experts, results that the next layer adds (KTransformers)
  std::optional<double> host_tokens;  ///< of `cheaper`: most tokens of an expert on the host; absent: by attained rates

  double cache_on_device = 1;
  double host_attention =
      1;                ///< of decode attention over what of the cache is not on the device; the rest is copied in
  double attended = 1;  ///< of the cached tokens, what a decoding token attends to (InfiniGen, arXiv:2406.19707)

  double activations_on_device = 1;  ///< of batches that wait: their residual streams between layers
  double tokens_at_once = 0;         ///< that operators work on, module by module (MoE-Gen arXiv:2503.09716); 0: all

  int buffered_layers = 2;  ///< slots for streamed layers on the device
  int batches = 1;          ///< micro-batches beside each other
  CopyKind copies = CopyKind::pinned;
  Overlapping overlap = Overlapping::all;
  bool sockets_apart = true;      ///< every socket works on its own memory; else memory is spread over all
  double weights_on_storage = 0;  ///< of the weights that are not on the device
  double cache_on_storage = 0;    ///< of the cache that is not on the device

  /// Steps with more tokens than `above`: what is where stays; experts and copies come differently, and what else the
  /// host computes (`on_host`), the device does.
  struct LongPrompts {
    double above = 0;
    MissingExperts missing = MissingExperts::streamed;
    std::optional<double> host_tokens;
    double host_attention = 1;
    int buffered_layers = 2;
    CopyKind copies = CopyKind::pinned;
  };
  std::optional<LongPrompts> long_prompts;
};

/// How steps with many tokens run; `description` itself where it does not tell them apart.
HybridDescription of_long_prompts(const HybridDescription& description);
/// Throws UserError, naming file and path.
HybridDescription read_hybrid(const Config& config);
/// What read_hybrid reads as the same, but for name, description and engine. Hits that follow from a cache are left to
/// whoever reads it, to be simulated again.
std::string to_json(const HybridDescription& description);
/// One of configs/placements or of a file, changed; none where the name is of a placement of another kind. Throws
/// UserError.
std::optional<HybridDescription> find_hybrid(const std::string& name, const std::vector<std::string>& changes);
/// The same with "PATH=VALUE" changes. Throws UserError.
HybridDescription with_changes(const HybridDescription& description, const std::vector<std::string>& changes);

}  // namespace moesaic
