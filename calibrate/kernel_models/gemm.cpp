// Dense matrix products: tiles of C on multiprocessors, in waves.
#include <algorithm>

#include "calibrate/kernel_model.hpp"

namespace moesaic {
namespace {

struct Tile {
  double m;
  double n;
};
constexpr Tile kTiles[] = {{128, 256}, {128, 128}, {64, 64}, {256, 128}};

}  // namespace

KernelPoint gemm_point(const KernelSetting& setting, const ShapeValues& shape) {
  const double n = shape[0], k = shape[1], m = shape[2];
  const KernelMachine& machine = setting.machine;
  const KernelFormats& formats = setting.formats;
  const double per_flop = machine.seconds_per_flop[static_cast<std::size_t>(formats.arithmetic)];
  const double weights = n * k * formats.weight_bytes;
  const double bytes = weights + m * k * formats.activation_bytes + m * n * 2;
  const double flops = 2 * m * n * k;

  double waves[std::size(kTiles)];
  for (std::size_t i = 0; i < std::size(kTiles); ++i) {
    waves[i] = ceil_div(m, kTiles[i].m) * ceil_div(n, kTiles[i].n) / machine.multiprocessors;
  }
  // Rows and columns are padded to tiles; libraries have narrower tiles for the smallest products.
  const double padded = 2 * ceil_div(m, kTiles[1].m) * kTiles[1].m * ceil_div(n, kTiles[1].n) * kTiles[1].n * k;
  KernelPoint point;
  point.terms.compute = std::min(padded, 1.5 * flops) * per_flop;
  point.terms.memory = bytes * machine.seconds_per_byte;
  point.terms.steps = k;
  point.terms.footprint = bytes;
  const auto idle = [&](std::size_t i) { return ceil_div(waves[i], 1) / waves[i]; };
  point.features = {static_cast<float>(m),
                    static_cast<float>(n),
                    static_cast<float>(k),
                    static_cast<float>(m * n),
                    static_cast<float>(n * k),
                    static_cast<float>(m * k),
                    static_cast<float>(flops),
                    static_cast<float>(flops / bytes),
                    static_cast<float>(waves[0]),
                    static_cast<float>(waves[1]),
                    static_cast<float>(waves[2]),
                    static_cast<float>(std::min(4.0, idle(0))),
                    static_cast<float>(std::min(4.0, idle(1))),
                    static_cast<float>(std::min(4.0, idle(3))),
                    static_cast<float>(n / k),
                    static_cast<float>(bytes)};
  return point;
}

}  // namespace moesaic
