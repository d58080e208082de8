// Softmax attention kernels over dense or grouped heads.
#include <algorithm>

#include "calibrate/kernel_model.hpp"
#include "model/operator.hpp"

namespace moesaic {
namespace {

constexpr double kQueryRows = 128;  ///< rows of queries that a block of today's prefill kernels holds
constexpr double kDecodeRows = 64;  ///< rows that a decode block pads one group of query heads to
constexpr double kKeyBlock = 128;

}  // namespace

KernelPoint attention_prefill_point(const KernelSetting& setting, const ShapeValues& shape) {
  const double q_heads = shape[0], kv_heads = shape[1], dim = shape[2], batch = shape[3], tokens = shape[4];
  const double prefix = shape[5], window = shape[6];
  const KernelMachine& machine = setting.machine;
  const KernelFormats& formats = setting.formats;
  const double last = prefix + tokens;
  const double pairs = attention_pairs(tokens, prefix, window, false);
  const double read = attention_read_tokens(tokens, prefix, window, false);
  const double flops = 4 * dim * q_heads * pairs * batch;
  const double bytes = batch * (2 * kv_heads * read * dim * formats.kv_bytes + 2 * tokens * q_heads * dim * 2);
  const double blocks = batch * q_heads * ceil_div(tokens, kQueryRows);
  const double waves = blocks / machine.multiprocessors;
  // A block of queries works on whole columns of keys, also where the causal mask or the window cuts them.
  const double columns = std::min(pairs / tokens + kKeyBlock / 2, last);
  const double padded = 4 * dim * blocks * kQueryRows * columns;
  const double longest = 4 * dim * kQueryRows * std::min(last, window > 0 ? window + kQueryRows : last);

  KernelPoint point;
  const double per_flop = machine.seconds_per_flop[static_cast<std::size_t>(formats.arithmetic)];
  // One multiprocessor works on the longest row of blocks whatever the others do.
  point.terms.compute = std::max(std::max(flops, padded), longest * machine.multiprocessors) * per_flop;
  point.terms.memory = bytes * machine.seconds_per_byte;
  point.terms.steps = std::min(last, window > 0 ? window : last);
  point.terms.footprint = bytes;
  point.features = {static_cast<float>(batch),
                    static_cast<float>(q_heads),
                    static_cast<float>(kv_heads),
                    static_cast<float>(q_heads / kv_heads),
                    static_cast<float>(dim),
                    static_cast<float>(tokens),
                    static_cast<float>(prefix),
                    static_cast<float>(window),
                    static_cast<float>(pairs / tokens),
                    static_cast<float>(waves),
                    static_cast<float>(std::min(4.0, ceil_div(waves, 1) / waves)),
                    static_cast<float>(flops),
                    static_cast<float>(bytes),
                    static_cast<float>(batch * tokens * q_heads),
                    static_cast<float>(batch * tokens),
                    static_cast<float>(batch * q_heads)};
  return point;
}

KernelPoint attention_decode_point(const KernelSetting& setting, const ShapeValues& shape) {
  const double q_heads = shape[0], kv_heads = shape[1], dim = shape[2], batch = shape[3], context = shape[4];
  const double window = shape[5];
  const KernelMachine& machine = setting.machine;
  const KernelFormats& formats = setting.formats;
  const double read = window > 0 ? std::min(context, window) : context;
  const double group = q_heads / kv_heads;
  const double cache = 2 * batch * kv_heads * read * dim * formats.kv_bytes;
  const double bytes = cache + 2 * batch * q_heads * dim * 2;
  const double rows = ceil_div(group, kDecodeRows) * kDecodeRows;
  const double flops = 4 * batch * q_heads * dim * read;
  const double groups = batch * kv_heads;
  const double blocks = groups * ceil_div(group, kDecodeRows);

  KernelPoint point;
  const double per_flop = machine.seconds_per_flop[static_cast<std::size_t>(formats.arithmetic)];
  point.terms.compute = 4 * groups * rows * dim * read * per_flop;
  point.terms.memory = bytes * machine.seconds_per_byte;
  point.terms.steps = read * std::min(1.0, blocks / machine.multiprocessors);
  point.terms.footprint = cache;
  point.features = {static_cast<float>(batch),
                    static_cast<float>(q_heads),
                    static_cast<float>(kv_heads),
                    static_cast<float>(group),
                    static_cast<float>(dim),
                    static_cast<float>(context),
                    static_cast<float>(window),
                    static_cast<float>(read),
                    static_cast<float>(groups),
                    static_cast<float>(groups * read),
                    static_cast<float>(bytes),
                    static_cast<float>(flops),
                    static_cast<float>(batch * q_heads),
                    static_cast<float>(blocks / machine.multiprocessors),
                    static_cast<float>(groups * context),
                    static_cast<float>(batch * context)};
  return point;
}

}  // namespace moesaic
