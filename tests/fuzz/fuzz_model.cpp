// Any bytes are either read as a model configuration, and then every count of it is finite, or refused with UserError.
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string_view>

#include "base/error.hpp"
#include "model/accounting.hpp"
#include "model/architecture.hpp"

namespace {

using namespace moesaic;

void require(bool condition) {
  if (!condition) {
    std::abort();
  }
}

void check_counts(const Architecture& architecture) {
  const ParameterCount count = count_parameters(architecture);
  require(std::isfinite(count.total) && count.total > 0 && count.active <= count.total);
  require(count.active_matmul > 0 && count.experts <= count.total);
  require(std::isfinite(weight_bytes(architecture, architecture.precision).value));
  require(kv_elements_per_token(architecture) >= 0);
  require(std::isfinite(cache_bytes(architecture, architecture.precision, 1e6).value));
  require(std::isfinite(training_flops_per_token(architecture, 4096).value));
  require(std::isfinite(generation_flops(architecture, 100, 100, {.absorbed_mla = true}).value));
  std::int64_t layers = 0;
  for (const LayerBlock& block : architecture.blocks) {
    layers += block.repeats * static_cast<std::int64_t>(block.kinds.size());
  }
  require(layers == architecture.layer_count());
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  try {
    check_counts(read_architecture(Config::parse({reinterpret_cast<const char*>(data), size}, "fuzz.json")));
  } catch (const UserError& error) {
    const std::string_view message = error.what();
    require(!message.empty() && message.find('\n') == message.npos);
  }
  return 0;
}
