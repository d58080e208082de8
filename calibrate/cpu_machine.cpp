#include "calibrate/cpu_machine.hpp"

#include <fmt/format.h>

#include <nlohmann/json.hpp>

#include "base/error.hpp"
#include "base/quantity_text.hpp"
#include "calibrate/measured_machine.hpp"

namespace moesaic {
namespace {

using Json = nlohmann::ordered_json;

std::string bandwidth_line(const CpuBandwidth& one) {
  return fmt::format("{} {} of {} by {} {}: {}", one.level, one.stream, to_text(one.footprint), one.threads,
                     one.threads == 1 ? "thread" : "threads", to_text(one.rate));
}

std::string all_bandwidths(const CpuFacts& facts) {
  std::string text;
  for (const CpuBandwidth& one : facts.bandwidth) {
    text += (text.empty() ? "" : "; ") + bandwidth_line(one);
  }
  return text;
}

std::string contention_line(const CpuContention& one) {
  return fmt::format(
      "decode attention by {} {} beside a copy of weights by 1: {} instead of {}, the copy {} instead of {}",
      one.attention_threads, one.attention_threads == 1 ? "thread" : "threads", to_text(one.attention_beside),
      to_text(one.attention_alone), to_text(one.copy_beside), to_text(one.copy_alone));
}

}  // namespace

std::string cpu_machine_json(const CpuFacts& facts, const Profile* profile) {
  const CpuBandwidth* memory = facts.memory_bandwidth();
  if (memory == nullptr || facts.peaks.empty() || !(facts.dispatch.value > 0) || !(facts.memory.value > 0)) {
    throw UserError("measuring ended before memory bandwidth and one product were known; nothing is written");
  }
  Json peak = Json::object();
  for (const MeasuredPeak& one : facts.peaks) {
    peak[std::string(name(one.dtype))] = to_text(one.rate);
  }
  Json json;
  json["name"] = facts.device;
  json["kind"] = "device";
  json["description"] = fmt::format("{}, {} of {} cores, measured by moesaic{}", printable(facts.model), facts.threads,
                                    facts.cores, facts.noise.noisy ? " on a noisy machine" : "");
  json["units"]["cpu"] = {
      {"peak", peak}, {"launch_latency", to_text(facts.dispatch)}, {"multiprocessors", facts.threads}};
  json["memory"] = {{"capacity", to_text(facts.memory)}, {"bandwidth", to_text(memory->rate)}};
  if (facts.last_cache.value > 0) {
    json["memory"]["cache"] = to_text(facts.last_cache);
  }
  json["sources"] = {
      {"units.cpu.peak", all_peaks(facts.peaks)},
      {"units.cpu.launch_latency",
       fmt::format("measured here: an empty parallel region in which all {} threads meet", facts.threads)},
      {"memory.capacity", "the operating system: installed memory, or what this process may use"},
      {"memory.bandwidth", fmt::format("measured here, achieved and not theoretical: {}, {}", bandwidth_line(*memory),
                                       repeats(memory->timing))},
      {"memory",
       fmt::format("L2 {}, last cache {} of all cores{}; all bandwidths measured here: {}", to_text(facts.l2),
                   to_text(facts.last_cache), facts.caches_known ? "" : " (assumed)", all_bandwidths(facts))}};
  if (facts.contention) {
    json["sources"]["memory.bandwidth (shared)"] =
        fmt::format("measured here: {}, {}", contention_line(*facts.contention), repeats(facts.contention->timing));
  }
  if (profile != nullptr) {
    json["profile"] = Json::parse(profile_json(*profile));
  }
  return json.dump(1) + "\n";
}

std::optional<Profile> fit_cpu_profile(const CpuFacts& facts, const Measurements& measurements,
                                       const std::string& date) {
  if (measurements.rows.empty()) {
    return std::nullopt;
  }
  const Machine machine = read_machine(machine_of_one(Config::parse(cpu_machine_json(facts), facts.device)));
  return fit_measured_profile(measurements, machine, date);
}

std::string cpu_facts_text(const CpuFacts& facts) {
  std::string text =
      fmt::format("{}: {} cores, {} threads used, {} memory, L2 {}, last cache {}\n", facts.model, facts.cores,
                  facts.threads, to_text(facts.memory), to_text(facts.l2), to_text(facts.last_cache));
  if (facts.dispatch.value > 0) {
    text += fmt::format("  dispatch  {:>14}  start all threads and wait for them\n", to_text(facts.dispatch));
  }
  for (const MeasuredPeak& peak : facts.peaks) {
    text += fmt::format("  {:<8}  {:>14}  {}, spread {:.1f}%\n", name(peak.dtype), to_text(peak.rate), peak.kernel,
                        100 * peak.timing.spread);
  }
  for (const CpuBandwidth& one : facts.bandwidth) {
    text += fmt::format("  {:<8}  {:>14}  {} of {}, {} {}, spread {:.1f}%\n", one.level, to_text(one.rate), one.stream,
                        to_text(one.footprint), one.threads, one.threads == 1 ? "thread" : "threads",
                        100 * one.timing.spread);
  }
  if (facts.contention) {
    text += fmt::format("  {:<8}  {:>14}  {}, spread {:.1f}%\n", "shared", to_text(facts.contention->attention_beside),
                        contention_line(*facts.contention), 100 * facts.contention->timing.spread);
  }
  return text;
}

}  // namespace moesaic
