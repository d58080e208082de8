// Multi-head latent attention with DeepSeek's dimensions, which all measurements have: the kernel alone, the whole
// layer, and the products that absorb queries and outputs.
#include <algorithm>

#include "calibrate/kernel_model.hpp"

namespace moesaic {
namespace {

// DeepSeek-V3 config.json.
constexpr double kHidden = 7168, kQueryRank = 1536, kLatentRank = 512, kRope = 64, kNope = 128, kValue = 128;
constexpr double kRows = 64;

}  // namespace

KernelPoint latent_attention_point(const KernelSetting& setting, const ShapeValues& shape) {
  const bool decode = setting.family == Family::mla_decode || setting.family == Family::mla_decode_module;
  const bool module = setting.family == Family::mla_decode_module || setting.family == Family::mla_prefill_module;
  const double heads = shape[0], batch = shape[1];
  const double tokens = decode ? 1 : shape[2], context = decode ? shape[2] - 1 : shape[3];
  const KernelMachine& machine = setting.machine;
  const KernelFormats& formats = setting.formats;
  const double last = context + tokens;
  const double pairs = tokens * context + tokens * (tokens + 1) / 2;
  const double attention_flops =
      2 * heads * batch * pairs * (decode ? 2 * kLatentRank + kRope : kNope + kRope + kValue);
  const double tiles = decode ? ceil_div(heads, kRows) : heads;
  const double padded = decode ? attention_flops * tiles * kRows / heads : attention_flops;
  const double attention_bytes =
      batch * last * (kLatentRank + kRope) * formats.kv_bytes +
      batch * tokens * heads * (decode ? 2 * kLatentRank + kRope : kNope + kRope + kValue) * 2;
  const double rows = batch * tokens;
  double weights = 0;
  if (module) {
    weights = kHidden * (kQueryRank + kLatentRank + kRope) + kQueryRank * heads * (kNope + kRope) +
              kLatentRank * heads * (kNope + kValue) + heads * kValue * kHidden;
  }
  const double per_flop = machine.seconds_per_flop[static_cast<std::size_t>(DType::bf16)];
  const double per_weight_flop = machine.seconds_per_flop[static_cast<std::size_t>(formats.arithmetic)];
  KernelPoint point;
  point.terms.compute = padded * per_flop + 2 * rows * weights * per_weight_flop;
  point.terms.memory =
      (attention_bytes + weights * formats.weight_bytes + (module ? 4 * rows * kHidden : 0)) * machine.seconds_per_byte;
  const double blocks = batch * tiles * ceil_div(tokens, 128) / machine.multiprocessors;
  point.terms.steps = decode ? last * ceil_div(batch * tiles, machine.multiprocessors) : last;
  point.terms.footprint = attention_bytes + weights * formats.weight_bytes;
  point.features = {static_cast<float>(heads),
                    static_cast<float>(batch),
                    static_cast<float>(tokens),
                    static_cast<float>(context),
                    static_cast<float>(last),
                    static_cast<float>(batch * last),
                    static_cast<float>(rows),
                    static_cast<float>(rows * tiles),
                    static_cast<float>(batch * tiles),
                    static_cast<float>(batch * pairs),
                    static_cast<float>(padded),
                    static_cast<float>(attention_bytes),
                    static_cast<float>(blocks),
                    static_cast<float>(last * tiles),
                    static_cast<float>(std::min(4.0, ceil_div(blocks, 1) / blocks)),
                    static_cast<float>(batch * last * tiles)};
  return point;
}

KernelPoint latent_product_point(const KernelSetting& setting, const ShapeValues& shape) {
  const double heads = shape[0], tokens = shape[1];
  const KernelMachine& machine = setting.machine;
  const KernelFormats& formats = setting.formats;
  const double flops = 2 * tokens * heads * kNope * kLatentRank;
  const double bytes = heads * kNope * kLatentRank * formats.weight_bytes + tokens * heads * (kNope + kLatentRank) * 2;
  KernelPoint point;
  point.terms.compute = std::max(1.0, ceil_div(tokens, kRows) * kRows / tokens) * flops *
                        machine.seconds_per_flop[static_cast<std::size_t>(formats.arithmetic)];
  point.terms.memory = bytes * machine.seconds_per_byte;
  point.terms.footprint = bytes;
  point.features = {static_cast<float>(heads), static_cast<float>(tokens), static_cast<float>(tokens * heads),
                    static_cast<float>(bytes), static_cast<float>(flops)};
  return point;
}

}  // namespace moesaic
