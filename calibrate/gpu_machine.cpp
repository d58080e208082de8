#include "calibrate/gpu_machine.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <nlohmann/json.hpp>

#include "base/error.hpp"
#include "base/quantity_text.hpp"
#include "calibrate/measured_machine.hpp"

namespace moesaic {
namespace {

using Json = nlohmann::ordered_json;

constexpr double kNarrow = 0.5;  // of what a link should carry: it is another link
constexpr std::string_view kDatasheet = "the catalog's figure for this device, from its datasheet";

std::string_view short_text(CopyDirection direction) {
  return direction == CopyDirection::to_device ? "host to device"
         : direction == CopyDirection::to_host ? "device to host"
                                               : "both ways";
}

std::string gpu_bandwidth_line(const GpuBandwidth& one) {
  return fmt::format("{} {} of {}: {}", one.level, one.stream, to_text(one.footprint), to_text(one.rate));
}

template <class List, class Line>
std::string joined(const List& list, const Line& line) {
  std::string all;
  for (const auto& one : list) {
    all += (all.empty() ? "" : "; ") + line(one);
  }
  return all;
}

std::string copy_line(const GpuCopy& copy) {
  return fmt::format("{} {} of {}: {} ({})", copy.pinned ? "pinned" : "pageable", short_text(copy.direction),
                     to_text(copy.bytes), to_text(copy.rate), to_text(copy.timing.median));
}

std::string overlap_line(const GpuOverlap& overlap) {
  return fmt::format("copies {} beside a product: the product takes {:.2f} times as long, the copies {:.2f} times",
                     short_text(overlap.direction), overlap.product, overlap.copy);
}

void add_units(const GpuFacts& facts, Json& device, Json& sources) {
  Json peak = Json::object();
  const PerDType<FlopsPerSecond> none{};
  const PerDType<FlopsPerSecond>& known = facts.datasheet ? facts.datasheet->units[0].peak : none;
  for (std::size_t i = 0; i < kDTypeCount; ++i) {
    if (known[i].value > 0) {
      peak[std::string(name(static_cast<DType>(i)))] = to_text(known[i]);
    }
  }
  if (!facts.datasheet) {
    for (const MeasuredPeak& one : facts.peaks) {
      peak[std::string(name(one.dtype))] = to_text(one.rate);
    }
  }
  const cuda::DeviceProperties& properties = facts.properties;
  device["units"]["gpu"] = {{"peak", peak},
                            {"launch_latency", to_text(facts.replay)},
                            {"multiprocessors", std::max(1, properties.multiprocessors)},
                            {"compute_capability", properties.major + 0.1 * properties.minor}};
  const std::string achieved = all_peaks(facts.peaks);
  sources["units.gpu.peak"] = facts.datasheet ? fmt::format("{}; {}", kDatasheet, achieved) : achieved;
  sources["units.gpu.launch_latency"] =
      fmt::format("measured here: from one empty kernel to the next inside a graph; launched one by one {}",
                  facts.launch.value > 0 ? to_text(facts.launch) : "not measured");
  sources["units.gpu.multiprocessors"] = "the CUDA runtime";
  sources["units.gpu.compute_capability"] = "the CUDA runtime";
}

void add_memory(const GpuFacts& facts, const GpuBandwidth& measured, Json& device, Json& sources) {
  const std::string here = fmt::format("measured here, achieved and not theoretical: {}, {}",
                                       gpu_bandwidth_line(measured), repeats(measured.timing));
  const BytesPerSecond rate = facts.datasheet ? facts.datasheet->memory.bandwidth : measured.rate;
  device["memory"] = {{"capacity", to_text(facts.properties.memory)}, {"bandwidth", to_text(rate)}};
  if (facts.properties.l2.value > 0) {
    device["memory"]["cache"] = to_text(facts.properties.l2);
    sources["memory.cache"] = "the CUDA runtime: L2";
  }
  sources["memory.capacity"] = "the CUDA runtime: memory of the device";
  sources["memory.bandwidth"] = facts.datasheet ? fmt::format("{}; {}", kDatasheet, here) : here;
  std::string all = "all bandwidths measured here: " + joined(facts.bandwidth, gpu_bandwidth_line);
  for (const GpuLatency& one : facts.latency) {
    all += fmt::format("; one dependent load in {} ({}): {}", one.level, to_text(one.footprint), to_text(one.load));
  }
  sources["memory"] = all;
}

Json link(const std::string& name, BytesPerSecond bandwidth, Seconds latency) {
  return {{"name", name}, {"bandwidth", to_text(bandwidth)}, {"latency", to_text(latency)}};
}

void add_host_link(const GpuFacts& facts, Json& device, Json& sources) {
  const GpuCopy* large = facts.largest_copy(CopyDirection::to_device);
  const GpuCopy* small = facts.smallest_copy(CopyDirection::to_device);
  if (large == nullptr) {
    return;
  }
  // The catalog knows the widest slot that the device has; this one may be narrower.
  const std::optional<Link> known = facts.datasheet ? facts.datasheet->host_link : std::nullopt;
  const bool as_known = known && large->rate > known->bandwidth * kNarrow;
  device["host_link"] =
      link(as_known ? known->name : "PCIe", as_known ? known->bandwidth : large->rate, small->timing.median);
  const std::string here = "measured here, achieved and not theoretical: " + copy_line(*large);
  sources["host_link.bandwidth"] = as_known ? fmt::format("{}; {}", kDatasheet, here) : here;
  sources["host_link.latency"] = "measured here: " + copy_line(*small);
  std::string all = "all copies measured here: " + joined(facts.copies, copy_line);
  if (!facts.overlaps.empty()) {
    all += "; " + joined(facts.overlaps, overlap_line);
  }
  sources["host_link"] = all;
}

void add_scale_up(const GpuFacts& facts, Json& device, Json& sources) {
  if (facts.devices < 2) {
    return;
  }
  const GpuPeerCopy *large = nullptr, *small = nullptr;
  for (const GpuPeerCopy& copy : facts.peer_copies) {
    large = large == nullptr || copy.bytes > large->bytes ? &copy : large;
    small = small == nullptr || copy.bytes < small->bytes ? &copy : small;
  }
  std::optional<Link> known = facts.datasheet ? facts.datasheet->scale_up : std::nullopt;
  if (large == nullptr && !known) {
    return;
  }
  // Without the bridge or switch that the device can have, GPUs are connected by their slots.
  if (known && large != nullptr && large->rate < known->bandwidth * kNarrow) {
    known.reset();
  }
  const std::string here =
      large == nullptr ? "not measured here"
                       : fmt::format("measured here, achieved and not theoretical: {} from one GPU to another: {}",
                                     to_text(large->bytes), to_text(large->rate));
  Json scale_up = link(known ? known->name : "GPU to GPU", known ? known->bandwidth : large->rate,
                       small != nullptr ? small->timing.median : known->latency);
  scale_up["devices"] = std::max(facts.devices, known ? facts.datasheet->scale_up_devices : 2);
  scale_up["in_switch_reduction"] = known && known->in_switch_reduction;
  device["scale_up"] = scale_up;
  sources["scale_up"] = known ? fmt::format("{}; {}", kDatasheet, here) : here;
}

Json device_json(const GpuFacts& facts, const GpuBandwidth& memory) {
  Json device, sources;
  device["name"] = facts.device;
  device["kind"] = "device";
  device["vendor"] = "NVIDIA";
  device["description"] = fmt::format("{}, measured by moesaic", printable(facts.properties.name));
  add_units(facts, device, sources);
  add_memory(facts, memory, device, sources);
  add_scale_up(facts, device, sources);
  add_host_link(facts, device, sources);
  if (facts.datasheet && facts.datasheet->power.max.value > 0) {
    device["power"] = {{"idle", to_text(facts.datasheet->power.idle)}, {"max", to_text(facts.datasheet->power.max)}};
    sources["power"] = kDatasheet;
  }
  if (facts.sensors_known) {
    sources["description"] = fmt::format("while measuring: at most {:.0f} degrees Celsius, at least {:.0f} MHz",
                                         facts.hottest, facts.slowest_clock.value * 1e-6);
  }
  device["sources"] = sources;
  return device;
}

}  // namespace

std::string gpu_machine_json(const GpuFacts& facts, const Profile* profile) {
  const GpuBandwidth* memory = facts.memory_bandwidth();
  if (memory == nullptr || facts.peaks.empty() || !(facts.replay.value > 0) || !(facts.properties.memory.value > 0)) {
    throw UserError(
        "measuring ended before memory bandwidth, an empty kernel and one product were known; no machine is written");
  }
  Json device = device_json(facts, *memory);
  if (profile != nullptr) {
    device["profile"] = Json::parse(profile_json(*profile));
  }
  if (facts.devices < 2 || !(device.contains("scale_up") || device.contains("host_link"))) {
    return device.dump(1) + "\n";
  }
  Json node;
  node["name"] = fmt::format("{}-{}", facts.device, facts.devices);
  node["kind"] = "node";
  node["description"] = fmt::format("{} of {}, measured by moesaic", facts.devices, printable(facts.properties.name));
  node["device"] = device;
  node["devices"] = facts.devices;
  node["sources"] = {{"devices", "the CUDA runtime"}};
  return node.dump(1) + "\n";
}

std::optional<Profile> fit_gpu_profile(const GpuFacts& facts, const Measurements& measurements,
                                       const std::string& date) {
  Measurements kept = measurements;
  // Routings by chance and by the user have no column of their own; they are for people to compare.
  std::erase_if(kept.rows, [&](const Measurement& row) {
    const MeasurementKey& key = kept.key_of(row);
    return key.family == Family::moe && key.kernel.find('/') != std::string::npos;
  });
  if (kept.rows.empty()) {
    return std::nullopt;
  }
  const Config config = Config::parse(gpu_machine_json(facts), facts.device);
  return fit_measured_profile(kept, read_machine(config.has("device") ? config : machine_of_one(config)), date);
}

std::string gpu_facts_text(const GpuFacts& facts) {
  const cuda::DeviceProperties& properties = facts.properties;
  std::string all = fmt::format("{} ({}): {} multiprocessors, compute capability {}.{}, {} memory, L2 {}\n",
                                properties.name, facts.device, properties.multiprocessors, properties.major,
                                properties.minor, to_text(properties.memory), to_text(properties.l2));
  const auto line = [&](std::string_view what, const std::string& value, const std::string& of, double spread) {
    all += fmt::format("  {:<10}  {:>14}  {}, spread {:.1f}%\n", what, value, of, 100 * spread);
  };
  if (facts.replay.value > 0) {
    all += fmt::format("  {:<10}  {:>14}  from kernel to kernel in a graph; {} launched one by one\n", "launch",
                       to_text(facts.replay), facts.launch.value > 0 ? to_text(facts.launch) : "not measured");
  }
  for (const MeasuredPeak& peak : facts.peaks) {
    line(name(peak.dtype), to_text(peak.rate), peak.kernel, peak.timing.spread);
  }
  for (const GpuBandwidth& one : facts.bandwidth) {
    line(one.level, to_text(one.rate), fmt::format("{} of {}", one.stream, to_text(one.footprint)), one.timing.spread);
  }
  for (const GpuLatency& one : facts.latency) {
    line(one.level, to_text(one.load), fmt::format("one dependent load in {}", to_text(one.footprint)),
         one.timing.spread);
  }
  for (const GpuCopy& copy : facts.copies) {
    line("host link", to_text(copy.rate),
         fmt::format("{} {} of {}", copy.pinned ? "pinned" : "pageable", short_text(copy.direction),
                     to_text(copy.bytes)),
         copy.timing.spread);
  }
  for (const GpuPeerCopy& copy : facts.peer_copies) {
    line("peer", to_text(copy.rate), fmt::format("from GPU to GPU, {}", to_text(copy.bytes)), copy.timing.spread);
  }
  for (const GpuOverlap& overlap : facts.overlaps) {
    all += fmt::format("  {:<10}  {}\n", "overlap", overlap_line(overlap));
  }
  for (const GpuOtherKernel& other : facts.others) {
    line("other", to_text(other.rate), other.what, other.timing.spread);
  }
  if (facts.sensors_known) {
    all += fmt::format("  {:<10}  at most {:.0f} degrees Celsius, at least {:.0f} MHz\n", "sensors", facts.hottest,
                       facts.slowest_clock.value * 1e-6);
  }
  return all;
}

}  // namespace moesaic
