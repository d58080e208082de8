// Operators: what is computed, free of hardware. Each knows its FLOPs and its bytes and nothing else.
// Shapes are those of one rank; token counts are doubles because expectations (routing) are fractional.
#pragma once

#include <cstdint>
#include <string_view>
#include <variant>

#include "base/dtype.hpp"
#include "base/quantity.hpp"
#include "model/expert_exchange.hpp"

namespace moesaic {

/// What an operator does, step by step of a layer: the key of tables, efficiencies and profiles.
enum class OperatorKind : std::uint8_t {
  embedding,
  norm,
  projection,          ///< dense matrix products of attention and feed-forward
  rotary,              ///< rotary embedding and the write of K and V into the cache
  attention_prefill,   ///< scores and values, many new tokens
  attention_decode,    ///< scores and values, one new token a sequence
  attention_backward,  ///< gradients of queries, keys and values
  state_update,        ///< linear attention
  activation,
  router,   ///< gate, top-k and permutation
  experts,  ///< grouped matrix products over routed experts
  head,     ///< lm_head
  sampling,
  optimizer,
  collective,
  transfer,
};
inline constexpr std::size_t kOperatorKindCount = 16;
std::string_view name(OperatorKind kind);

/// C[m,n] += A[m,k] B[k,n], `count` times with different weights (or batched over heads).
struct Gemm {
  double m = 0;
  double n = 0;
  double k = 0;
  double count = 1;
  StorageType weights{};
  StorageType activations{};
  DType arithmetic = DType::bf16;
  /// C is a gradient of weights: added in fp32 to what memory holds (Megatron-LM's fused accumulation); B then are
  /// activations too.
  bool accumulates = false;
};

/// The experts among others that get at least `least` and at most `most` tokens, where `mean` is what one of all gets.
struct LoadRange {
  double least = 0;
  double most = 0;  ///< 0: no such choice, `mean` is then not said
  double mean = 0;
};

/// The routed experts of one rank: `rows` (token, expert) pairs through `matrices` products of hidden x width each.
struct GroupedGemm {
  double tokens = 0;    ///< tokens routed over the whole expert-parallel group
  double rows = 0;      ///< (token, expert) pairs on this rank
  double distinct = 0;  ///< experts whose weights are read
  double experts = 0;   ///< experts that this rank holds
  double ranks = 1;     ///< expert-parallel degree
  double top_k = 0;
  double hidden = 0;
  double width = 0;     ///< of one expert on this rank (a slice under tensor parallelism)
  bool even = false;    ///< the rows of every used expert are as many (see Routing::even), else binomial
  LoadRange loads{};    ///< of the experts that are meant, if not all
  bool alike = false;   ///< all experts of the layer are as likely, and `rows` are the busiest rank's
  double lateness = 1;  ///< of a part beside another unit's: see CoProcessed
  double matrices = 3;  ///< 3: gated feed-forward; 2: ungated; 1: one projection
  /// The exchange that brought the rows, sorted by expert; automatic: none, the kernel finds its rows among all
  /// tokens'.
  ExchangeKind arrived_by = ExchangeKind::automatic;
  StorageType weights{};
  StorageType activations{};
  DType arithmetic = DType::bf16;
  bool accumulates = false;  ///< gradients of the weights, added in fp32 to what memory holds
};

/// Scores and values of softmax attention for `sequences` sequences with equal lengths.
struct SoftmaxScores {
  double sequences = 0;
  double new_tokens = 0;  ///< per sequence
  double context = 0;     ///< cached tokens per sequence before these
  double heads = 0;       ///< of this rank
  double kv_heads = 0;
  double qk_dim = 0;
  double v_dim = 0;
  double window = 0;       ///< most keys a query sees; 0: all
  bool chunked = false;    ///< `window` is an aligned chunk
  double pairs = 0;        ///< (query, key) pairs of one sequence and head; see attention_pairs()
  double read_tokens = 0;  ///< cached or new tokens whose K and V are read once, per sequence
  Bytes cached{};          ///< cache of earlier steps behind what is read, in whatever form it is kept
  double passes = 1;       ///< times that keys and values are read
  bool shared_kv = false;  ///< MLA absorbed: K and V are one latent of qk_dim elements (v_dim of them are the values)
  /// The backward pass: five products instead of two, scores being computed again (2307.08691 section 3.1).
  bool backward = false;
  StorageType kv{};
  StorageType activations{};
  DType arithmetic = DType::bf16;
};

/// Linear attention: read, update and write the state; `flops` by the kind's own formula.
struct StateUpdate {
  double sequences = 0;
  double new_tokens = 0;      ///< per sequence
  double state_elements = 0;  ///< per sequence, on this rank
  double token_elements = 0;  ///< activation elements read and written per token
  Flops flops{};
  StorageType state{};
  StorageType activations{};
  DType arithmetic = DType::bf16;
};

/// Memory-bound work on activations; includes norms, activations, rotary, routing, embedding look-up, sampling.
struct Elementwise {
  double elements_read = 0;
  double elements_written = 0;
  double flops_per_element = 0;  ///< per element read
  StorageType type{};
  Bytes weights{};        ///< read besides (norm scales, router weights, embedding rows)
  Bytes cache_written{};  ///< K and V written into the cache
};

enum class CollectiveKind : std::uint8_t {
  all_reduce,
  all_gather,
  reduce_scatter,
  all_to_all,
  broadcast,
  send_receive
};
inline constexpr std::size_t kCollectiveKindCount = 6;
std::string_view name(CollectiveKind kind);

/// `bytes`: all_reduce, broadcast: the message; all_gather, reduce_scatter: the full (gathered) message; all_to_all:
/// what one rank sends, its own part included; send_receive: what every rank sends the one `shift` ranks further around
/// the ring (context parallelism).
struct Collective {
  CollectiveKind kind = CollectiveKind::all_reduce;
  Bytes bytes{};
  int ranks = 1;
  int shift = 1;      ///< of send_receive
  int stride = 1;     ///< from one rank of the group to the next
  double rounds = 1;  ///< times that it runs, one after another
};

/// Dispatch or combine of expert parallelism over several nodes: rows of tokens to the ranks that hold their experts,
/// or back. Row counts are of the busiest rank.
struct ExpertExchange {
  bool combine = false;
  ExchangeKind kind = ExchangeKind::normal;  ///< not automatic
  double tokens = 0;                         ///< of one rank
  double hidden = 0;
  double top_k = 0;
  double experts = 0;  ///< of the layer
  int ranks = 1;
  int nodes = 1;
  double scale_up_rows = 0;  ///< sent to other ranks of the node, forwarded ones included
  double network_rows = 0;   ///< sent to other nodes
  StorageType wire{};
};

/// Bytes moved between memories of one machine.
struct Transfer {
  Bytes bytes{};
  bool to_device = true;
  std::string_view what;       ///< "weights", "query", "attention output"
  bool between_units = false;  ///< of a device, instead of device and host
  bool pageable = false;  ///< to or from memory that is not pinned: the driver's thread passes it on piece by piece
};

using OperatorShape =
    std::variant<Gemm, GroupedGemm, SoftmaxScores, StateUpdate, Elementwise, Collective, ExpertExchange, Transfer>;

/// Operators run one after another, but communication may start where it stands and run beside those that follow, up to
/// the one that needs it.
enum class Beside : std::uint8_t { none, starts, joins };

struct Operator {
  OperatorKind kind = OperatorKind::projection;
  const char* label = "";  ///< within its layer: "qkv", "scores", "experts"
  OperatorShape shape;
  Beside beside = Beside::none;
  /// Chunks of a layer's work, 1, 2, ...: each is a chain of its own from where the first one begins; the next operator
  /// of chunk 0 needs all of them.
  std::uint8_t chunk = 0;
};

/// What an operator demands. Bytes are split by class because they may live in different memories.
struct Work {
  Flops flops{};
  Bytes weights{};      ///< read once
  Bytes activations{};  ///< read and written
  Bytes kv{};           ///< cache or state, read and written
  Bytes wire{};     ///< sent by one rank over the scale-up link (collectives), or moved between memories (transfers)
  Bytes network{};  ///< sent by one rank to other nodes
  DType arithmetic = DType::bf16;

  Bytes memory() const { return weights + activations + kv; }
  FlopsPerByte intensity() const { return flops / memory(); }
};

/// The work of one operator, collectives as in one node. Sources of the formulas: docs/architecture.md, "Work".
Work work(const Operator& op);

/// Bytes that one rank sends at least in all rounds, on links inside its node and to other nodes.
struct WireBytes {
  Bytes scale_up;
  Bytes network;
};
/// For g ranks in each of m nodes, S bytes, every rank with a network link of its own. Inside: all-reduce 2(g-1)/g S,
/// or (g+1)/g S when the switch reduces; all-to-all (g-1)/(m g) S; send-receive and broadcast S where there is one
/// node; the others (g-1)/g S. Between: all-reduce 2(m-1)/m S/g, all-gather and reduce-scatter (m-1)/m S/g, all-to-all
/// (m-1)/m S, broadcast S/g, send-receive S.
WireBytes wire_bytes(const Collective& collective, int nodes, bool in_switch_reduction);

/// (query, key) pairs of `new_tokens` causal queries after `context` cached tokens, window applied: the sum over
/// queries of the keys each sees.
double attention_pairs(double new_tokens, double context, double window, bool chunked);
/// Cached and new tokens that at least one of these queries reads.
double attention_read_tokens(double new_tokens, double context, double window, bool chunked);

}  // namespace moesaic
