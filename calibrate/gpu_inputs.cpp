#include "calibrate/gpu_inputs.hpp"

#include <algorithm>
#include <cmath>
#include <numeric>

#include "base/error.hpp"

namespace moesaic {

std::uint64_t RandomNumbers::bits() {  // splitmix64
  std::uint64_t value = state_ += 0x9E3779B97F4A7C15ULL;
  value = (value ^ (value >> 30)) * 0xBF58476D1CE4E5B9ULL;
  value = (value ^ (value >> 27)) * 0x94D049BB133111EBULL;
  return value ^ (value >> 31);
}

std::vector<std::int32_t> random_order(std::int32_t count, RandomNumbers& random) {
  std::vector<std::int32_t> order(static_cast<std::size_t>(count));
  std::iota(order.begin(), order.end(), 0);
  for (std::size_t i = order.size(); i > 1; --i) {
    std::swap(order[i - 1], order[random.bits() % i]);
  }
  return order;
}

std::vector<std::uint32_t> random_cycle(std::uint32_t count, std::uint32_t stride, RandomNumbers& random) {
  const auto places = static_cast<std::int32_t>(count / stride);
  std::vector<std::int32_t> order = random_order(places, random);
  std::rotate(order.begin(), std::find(order.begin(), order.end(), 0), order.end());
  std::vector<std::uint32_t> next(count, 0);
  for (std::size_t i = 0; i < order.size(); ++i) {
    const std::int32_t to = order[(i + 1) % order.size()];
    next[static_cast<std::size_t>(order[i]) * stride] = static_cast<std::uint32_t>(to) * stride;
  }
  return next;
}

std::vector<std::int32_t> even_choices(int tokens, int experts, int top_k, int first) {
  const int stride = (experts + top_k - 1) / top_k;
  std::vector<std::int32_t> chosen;
  chosen.reserve(static_cast<std::size_t>(tokens) * static_cast<std::size_t>(top_k));
  for (int t = 0; t < tokens; ++t) {
    const int start = tokens < stride ? static_cast<int>(std::int64_t{t} * stride / tokens) : t;
    const auto own = static_cast<std::ptrdiff_t>(chosen.size());
    for (int i = 0; i < top_k; ++i) {
      int expert = static_cast<int>((std::int64_t{first} + start + std::int64_t{i} * stride) % experts);
      while (std::find(chosen.begin() + own, chosen.end(), expert) != chosen.end()) {
        expert = (expert + 1) % experts;
      }
      chosen.push_back(expert);
    }
  }
  return chosen;
}

std::vector<std::int32_t> drawn_choices(int tokens, int top_k, std::span<const double> popularity,
                                        RandomNumbers& random) {
  std::vector<std::int32_t> chosen;
  // The largest of log(u) / popularity are a draw without replacement (Efraimidis and Spirakis, 2006).
  std::vector<std::pair<double, std::int32_t>> keys(popularity.size());
  for (int t = 0; t < tokens; ++t) {
    for (std::size_t e = 0; e < keys.size(); ++e) {
      const double u = std::max(random.uniform(), 1e-300);
      keys[e] = {popularity[e] > 0 ? -std::log(u) / popularity[e] : INFINITY, static_cast<std::int32_t>(e)};
    }
    std::partial_sort(keys.begin(), keys.begin() + top_k, keys.end());
    for (int i = 0; i < top_k; ++i) {
      chosen.push_back(keys[static_cast<std::size_t>(i)].second);
    }
  }
  return chosen;
}

std::vector<double> skewed_popularity(int tokens, int experts, int top_k, double skew, RandomNumbers& random) {
  // The range of loads that kernel_models/expert_load.cpp assumes.
  const bool dense = std::int64_t{tokens} * top_k > experts;
  const double least = dense ? 1 : 0.01, most = dense ? std::max(1.0, 0.8 * tokens) : 2;
  std::vector<double> popularity(static_cast<std::size_t>(experts));
  for (double& load : popularity) {
    const double u = random.uniform();
    if (std::abs(skew - 1) < 1e-6) {
      load = least * std::pow(most / least, u);
    } else {
      const double low = std::pow(least, 1 - skew), high = std::pow(most, 1 - skew);
      load = std::pow(low + (high - low) * u, 1 / (1 - skew));
    }
  }
  return popularity;
}

RandomBlock::RandomBlock(cuda::Runtime& runtime, cuda::StreamHandle stream, Bytes bytes, std::uint64_t seed)
    : runtime_(runtime), stream_(stream), bytes_(bytes), block_(cuda::allocate(runtime, bytes)) {
  RandomNumbers random(seed);
  std::vector<std::uint64_t> values(static_cast<std::size_t>(bytes.value) / sizeof(std::uint64_t));
  for (std::uint64_t& value : values) {
    // Signs and mantissas by chance; exponents of 1/2 to 1. The low byte is 0x7f or 0xff where fp8 has no number.
    value = (random.bits() & 0x807f'807f'807f'807fULL) | 0x3f00'3f00'3f00'3f00ULL;
    for (int shift = 0; shift < 64; shift += 16) {
      if ((value >> shift & 0x7f) == 0x7f) {
        value ^= std::uint64_t{1} << shift;
      }
    }
  }
  cuda::check(runtime.copy(block_.get(), values.data(), values.size() * sizeof(std::uint64_t),
                           cuda::CopyKind::host_to_device, stream),
              "copying random numbers");
  cuda::check(runtime.synchronize(stream), "copying random numbers");
}

void RandomBlock::fill(void* to, Bytes bytes) const {
  for (Bytes done{}; done < bytes;) {
    const Bytes part = std::min(bytes - done, bytes_);
    cuda::check(runtime_.copy(static_cast<char*>(to) + static_cast<std::size_t>(done.value), block_.get(),
                              static_cast<std::size_t>(part.value), cuda::CopyKind::device_to_device, stream_),
                "filling an input");
    done += part;
  }
}

char* Workspace::output(Bytes bytes) {
  buffers_.push_back(cuda::allocate(runtime_, std::max(bytes, Bytes{16})));
  return static_cast<char*>(buffers_.back().get());
}

char* Workspace::input(Bytes bytes) {
  char* pointer = output(bytes);
  random_.fill(pointer, bytes);
  return pointer;
}

char* Workspace::zeros(Bytes bytes) {
  char* pointer = output(bytes);
  cuda::check(runtime_.set(pointer, 0, static_cast<std::size_t>(bytes.value), stream_), "clearing a buffer");
  return pointer;
}

char* Workspace::upload(const void* from, std::size_t bytes) {
  char* pointer = output({static_cast<double>(bytes)});
  cuda::check(runtime_.copy(pointer, from, bytes, cuda::CopyKind::host_to_device, stream_), "copying a table");
  cuda::check(runtime_.synchronize(stream_), "copying a table");  // `from` need not outlive this call
  return pointer;
}

}  // namespace moesaic
