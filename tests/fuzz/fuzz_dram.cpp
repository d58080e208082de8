// Any bytes are either a memory whose streams come to an end, never faster than nominal, or refused with one line.
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string_view>

#include "base/error.hpp"
#include "hw/dram/closed_form.hpp"

namespace {

using namespace moesaic;

void try_memory(std::string_view text) {
  const Dram dram = read_dram(Config::parse(text, "input"));
  for (const std::string& name : access_path_names()) {
    const AccessPath path = access_path(name, dram);
    const Bytes bytes{64.0 * static_cast<double>(dram.access) * dram.channels()};
    for (const StreamKind kind : {StreamKind::read, StreamKind::update}) {
      const StreamResult result = simulate_stream(dram, path, bytes, kind);
      if (!(result.bandwidth() <= nominal(dram, path)) || result.commands.activate < 1) {
        std::abort();
      }
    }
    if (!(closed_form_time(dram, path, bytes).value > 0)) {
      std::abort();
    }
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  try {
    try_memory({reinterpret_cast<const char*>(data), size});
  } catch (const moesaic::UserError& error) {
    const std::string_view message = error.what();
    if (message.empty() || message.find('\n') != message.npos) {
      std::abort();
    }
  }
  return 0;
}
