// The tables of one section of the page.
#include <fmt/format.h>

#include "base/quantity_text.hpp"
#include "reports/html.hpp"
#include "reports/names.hpp"
#include "reports/page_parts.hpp"
#include "reports/summary.hpp"

namespace moesaic {
namespace {

// "memory bandwidth" with its path below.
std::string resource_cell(const std::string& path) {
  const std::string name = resource_name(path);
  return name == path ? html_text(path) : fmt::format("{} <code>{}</code>", html_text(name), html_text(path));
}

std::string limits_table(const Prediction& prediction) {
  HtmlTable table{
      "Limit and prediction: prefill of the batch, and decoding one token of every request",
      {"phase", "limit is set by", "predicted", "limit", "busiest resource", "critical path", "speed of limit"},
      {},
      2};
  for (const NamedPhase& phase : phases(prediction)) {
    const LimitPrediction& limit = phase.phase->limit;
    const double share = limit.seconds / phase.phase->seconds;
    table.rows.push_back({html_text(phase.name), resource_cell(limit.resource),
                          html_text(to_text(phase.phase->seconds)), html_text(to_text(limit.seconds)),
                          html_text(to_text(limit.resource_seconds)), html_text(to_text(limit.critical_path_seconds)),
                          html_share(percent_text(share), share)});
  }
  return html_table(table);
}

std::string operators_table(const std::string& caption, const std::vector<OperatorRow>& rows, Seconds step) {
  if (rows.empty()) {
    return "";
  }
  HtmlTable table{caption + " (" + to_text(step) + "); FLOPs, bytes and time are of one execution on one device",
                  {"block", "operator", "kind", "shape", "on", "bound by", "count", "FLOPs", "bytes", "FLOP/B", "ridge",
                   "limit", "time", "of step"},
                  {},
                  6};
  for (const OperatorRow& row : rows) {
    const double share = row.time * row.count / step;
    table.rows.push_back(
        {html_text(row.block), html_text(row.operator_), html_text(row.kind),
         fmt::format("<code>{}</code>", html_text(row.shape)),
         html_text(row.flops.value > 0 ? row.unit + ' ' + row.arithmetic : row.unit), html_text(row.bound_by),
         html_text(count_text(row.count)), html_text(row.flops.value > 0 ? to_text(row.flops) : "-"),
         html_text(to_text(row.bytes)), html_text(ratio_text(row.intensity)), html_text(ratio_text(row.ridge)),
         html_text(to_text(row.limit)), html_text(to_text(row.time)), html_share(percent_text(share), share)});
  }
  return html_table(table);
}

std::string work_energy_table(const Prediction& prediction) {
  HtmlTable table{"Energy of the work of one output token: moving and computing alone",
                  {"", "memory", "arithmetic", "share"},
                  {},
                  1};
  for (const EnergyPart& part : energy_parts(prediction)) {
    table.rows.push_back({html_text(part.name), html_text(part.memory), html_text(part.arithmetic),
                          html_share(percent_text(part.share), part.share)});
  }
  if (table.rows.empty()) {
    return "";
  }
  table.rows.push_back({"in all", html_text(to_text(prediction.work_energy.total())), "", ""});
  return html_table(table);
}

}  // namespace

std::string resource_table_html(const Prediction& prediction) {
  HtmlTable table{"Time that each resource is busy at its peak rate", {"resource", "decode", "prefill"}, {}, 1};
  for (const SharedUse& use : utilisation(prediction)) {
    table.rows.push_back({resource_cell(use.resource), html_share(percent_text(use.decode), use.decode),
                          html_share(percent_text(use.prefill), use.prefill)});
  }
  return table.rows.empty() ? "" : html_table(table);
}

std::string memory_table_html(const Prediction& prediction) {
  const MemoryFootprint& device = prediction.memory.device;
  const MemoryFootprint& host = prediction.memory.host;
  const MemoryFootprint& storage = prediction.memory.storage;
  const MemoryFootprint& apart = prediction.memory.apart;
  const bool with_host = host.total() > Bytes{0}, with_storage = storage.total() > Bytes{0};
  const bool with_apart = apart.capacity > Bytes{0};
  HtmlTable table{"", {"class", "per device", "share"}, {}, 1};
  if (with_apart) {
    table.heads.push_back("near memory");
  }
  if (with_host) {
    table.heads.push_back("host");
  }
  if (with_storage) {
    table.heads.push_back("storage");
  }
  const auto add = [&](const std::string& name, Bytes on_device, Bytes near, Bytes on_host, Bytes stored) {
    const double share = on_device / device.capacity;
    table.rows.push_back({html_text(name), html_text(to_text(on_device)), html_share(percent_text(share), share)});
    if (with_apart) {
      table.rows.back().push_back(near > Bytes{0} ? html_text(to_text(near)) : "");
    }
    if (with_host) {
      table.rows.back().push_back(on_host > Bytes{0} ? html_text(to_text(on_host)) : "");
    }
    if (with_storage) {
      table.rows.back().push_back(stored > Bytes{0} ? html_text(to_text(stored)) : "");
    }
  };
  for (const MemoryClass& kind : memory_classes()) {
    const Bytes on_device = device.*kind.bytes;
    const Bytes on_host = host.*kind.bytes;
    const Bytes stored = storage.*kind.bytes;
    const Bytes near = apart.*kind.bytes;
    if (on_device > Bytes{0} || near > Bytes{0} || on_host > Bytes{0} || stored > Bytes{0}) {
      add(kind.name, on_device, near, on_host, stored);
    }
  }
  add("total", device.total(), apart.total(), host.total(), storage.total());
  add("capacity", device.capacity, apart.capacity, host.capacity, storage.capacity);
  table.rows.push_back({"one token's KV cache, all devices", html_text(to_text(prediction.memory.kv_per_token)), ""});
  return html_table(table);
}

std::string tables_html(const PageSection& section) {
  const Prediction& prediction = section.prediction;
  if (!runs(prediction)) {
    return "";
  }
  return limits_table(prediction) + work_energy_table(prediction) +
         operators_table("Operators of a decode step", section.decode_operators,
                         step_of(section.decode_step, section.decode_operators)) +
         operators_table("Operators of a prefill step", section.prefill_operators,
                         step_of(section.prefill_step, section.prefill_operators));
}

}  // namespace moesaic
