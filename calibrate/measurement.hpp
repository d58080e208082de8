// One measured time of one kernel: the common form that micro-benchmarks write, importers produce and fits read.
// The file format is described in docs/measurements.md.
#pragma once

#include <array>
#include <compare>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/quantity.hpp"

namespace moesaic {

/// What was measured. One family has one set of shape columns and one physical model.
enum class Family : std::uint8_t {
  gemm,                ///< C[m,n] = A[m,k] B[k,n], as the engine's linear layer runs it
  attention_prefill,   ///< causal softmax attention over many new tokens
  attention_decode,    ///< one new token a sequence against a paged KV cache
  mla_prefill,         ///< multi-head latent attention, the kernel alone
  mla_decode,          ///< the same with one new token a sequence
  mla_prefill_module,  ///< the latent attention layer: projections, kernel, output projection
  mla_decode_module,
  mla_bmm,          ///< the batched products that absorb queries (pre) and outputs (post)
  moe,              ///< fused routed experts on one rank: permutation, products, activation
  wide_ep_moe,      ///< the same in a wide expert-parallel group, the most loaded rank
  collective,       ///< all-reduce, all-gather, reduce-scatter, all-to-all, send and receive
  expert_exchange,  ///< dispatch and combine of expert parallelism
  quantize,         ///< activation scales and conversion
  elementwise,      ///< memory-bound work on activations: norms, rotary, activation, residual
};
inline constexpr std::size_t kFamilyCount = 14;

inline constexpr std::size_t kMostShapeColumns = 9;
using ShapeValues = std::array<double, kMostShapeColumns>;

/// The columns of a family's shape.
struct FamilyDescription {
  std::string_view name;
  std::string_view what;                    ///< for people
  std::span<const std::string_view> shape;  ///< column names, in the order of ShapeValues
  std::size_t whole;  ///< how many of the first columns make a "whole shape": what a split leaves out together
};
const FamilyDescription& describe(Family family);
std::string_view name(Family family);
/// Throws UserError naming the nearest family.
Family parse_family(std::string_view text);

/// What rows of one kernel have in common.
struct MeasurementKey {
  Family family = Family::gemm;
  std::string device;    ///< catalog name of the device, or the source's name where the catalog has none
  std::string stack;     ///< software and version: "vllm-0.24.0", "nccl-2.29.2"
  std::string dtype;     ///< format of the products: "bf16", "fp8", "fp8-block", "nvfp4", "int4", ...
  std::string kv_dtype;  ///< of the cache; empty where there is none
  std::string kernel;    ///< operation and implementation: "triton", "all_reduce/custom-graph"; may be empty
  auto operator<=>(const MeasurementKey&) const = default;
};

struct Measurement {
  std::uint32_t key = 0;   ///< index into Measurements::keys
  std::uint32_t file = 0;  ///< index into Measurements::files
  std::uint32_t line = 0;
  ShapeValues shape{};
  Seconds latency{};
};

/// Rows with their keys and origins. Copying is deep.
struct Measurements {
  std::vector<MeasurementKey> keys;
  std::vector<std::string> files;
  std::vector<Measurement> rows;

  std::uint32_t key_index(const MeasurementKey& key);  ///< adds it if it is new
  const MeasurementKey& key_of(const Measurement& row) const { return keys[row.key]; }
  void append(const Measurements& other);
};

/// The whole shape of a row as text, "n=4096 k=7168": equal for rows that a split keeps together.
std::string whole_shape(const Measurement& row, Family family);
/// All shape columns as text, "m=16 n=4096 k=7168".
std::string shape_text(const Measurement& row, Family family);

}  // namespace moesaic
