#include "reports/comparison.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "base/error.hpp"
#include "base/quantity_text.hpp"
#include "reports/names.hpp"
#include "reports/report.hpp"
#include "reports/summary.hpp"
#include "reports/table.hpp"
#include "reports/terminal.hpp"

namespace moesaic {
namespace {

constexpr std::size_t kPage = 100;  // columns of a terminal that tables keep to
constexpr std::size_t kName = 28;   // longest name that heads a column

// Marks the best values among predictions that fit; nothing where all are equal or fewer than two compete.
std::vector<bool> best_of(const std::vector<Prediction>& predictions, const std::vector<double>& values,
                          Better better) {
  std::vector<double> competing;
  for (std::size_t i = 0; i < values.size(); ++i) {
    if (predictions[i].fits && std::isfinite(values[i])) {
      competing.push_back(better == Better::more ? values[i] : -values[i]);
    }
  }
  std::vector<bool> best(values.size(), false);
  const auto [least, most] = std::minmax_element(competing.begin(), competing.end());
  if (better == Better::neither || competing.size() < 2 || *least == *most) {
    return best;
  }
  for (std::size_t i = 0; i < values.size(); ++i) {
    best[i] = predictions[i].fits && values[i] == (better == Better::more ? *most : -*most);
  }
  return best;
}

std::string filled(const MemoryFootprint& memory) {
  return memory.capacity > Bytes{} ? fmt::format("{} of {}", to_text(memory.total()), to_text(memory.capacity)) : "-";
}

std::string limit_cell(const Prediction& p) {
  return runs(p) ? percent_text(p.decode.limit.seconds / p.decode.seconds) : "-";
}

std::string limiting_cell(const Prediction& p) { return runs(p) ? resource_name(p.decode.limit.resource) : "-"; }

std::string best_lever_cell(const Prediction& p) {
  const auto sorted = sorted_elasticity(p);
  return runs(p) && !sorted.empty() ? resource_name(sorted[0].figure) : "-";
}

/// Whose times of kernels the columns are: once where it is one for all.
std::string cost_models_text(const std::vector<Prediction>& predictions, const std::vector<std::string>& names) {
  const bool one = std::all_of(predictions.begin(), predictions.end(),
                               [&](const Prediction& p) { return p.cost_model == predictions.front().cost_model; });
  std::string text;
  for (std::size_t i = 0; i < (one ? std::min<std::size_t>(1, predictions.size()) : predictions.size()); ++i) {
    text += fmt::format("  {}{}\n", one ? "times of kernels: " : printable(names[i], kName) + ": ",
                        printable(predictions[i].cost_model));
  }
  return text.empty() ? "" : (one ? "\n" : "\n  times of kernels\n") + text;
}

}  // namespace

std::vector<ComparedRow> compare(const std::vector<Prediction>& predictions) {
  std::vector<ComparedRow> rows;
  const auto add = [&](const char* name, auto cell) {
    ComparedRow row{name, {}, std::vector<bool>(predictions.size(), false)};
    std::transform(predictions.begin(), predictions.end(), std::back_inserter(row.cells), cell);
    rows.push_back(std::move(row));
  };
  add("fits", [](const Prediction& p) { return std::string(p.fits ? "yes" : "NO"); });
  if (std::any_of(predictions.begin(), predictions.end(),
                  [&](const Prediction& p) { return p.devices != predictions.front().devices; })) {
    add("devices", [](const Prediction& p) { return count_text(static_cast<double>(p.devices)); });
  }
  add("memory per device", [](const Prediction& p) { return filled(p.memory.device); });
  if (std::any_of(predictions.begin(), predictions.end(),
                  [](const Prediction& p) { return p.memory.apart.capacity > Bytes{}; })) {
    add("near memory, per device", [](const Prediction& p) { return filled(p.memory.apart); });
  }
  add("running batch", [](const Prediction& p) {
    return fmt::format("{} of {}", count_text(p.running_batch), count_text(static_cast<double>(p.load.batch)));
  });
  std::vector<std::vector<Metric>> all;
  std::transform(predictions.begin(), predictions.end(), std::back_inserter(all), metrics);
  for (std::size_t m = 0; !all.empty() && m < all[0].size(); ++m) {
    ComparedRow row{all[0][m].name, {}, {}};
    std::vector<double> values;
    for (const auto& of_one : all) {
      row.cells.push_back(of_one[m].text);
      values.push_back(of_one[m].value);
    }
    row.best = best_of(predictions, values, all[0][m].better);
    rows.push_back(std::move(row));
  }
  add("throughput against the first", [&](const Prediction& p) {
    const double ratio = p.output_tokens / predictions[0].output_tokens;
    return runs(p) && std::isfinite(ratio) ? fmt::format("{:.2f}x", ratio) : "-";
  });
  add("decode speed of its limit", limit_cell);
  add("decode limit set by", limiting_cell);
  add("what would help most", best_lever_cell);
  return rows;
}

std::string comparison_text(const std::vector<Prediction>& predictions, const std::vector<std::string>& names,
                            const TextStyle& style) {
  MOESAIC_ASSERT(predictions.size() == names.size());
  const std::vector<ComparedRow> rows = compare(predictions);
  // As many columns side by side as the page is wide; the rest in further tables below.
  const auto table_of = [&](std::size_t first, std::size_t last) {
    std::vector<Column> columns{{""}};
    for (std::size_t i = first; i < last; ++i) {
      columns.push_back({printable(names[i], kName), Align::right});
    }
    Table table(std::move(columns));
    for (const ComparedRow& row : rows) {
      std::vector<std::string> cells{row.name};
      for (std::size_t i = first; i < last; ++i) {
        cells.push_back(row.best[i] ? paint(row.cells[i] + " *", Paint::good, style) : row.cells[i] + "  ");
      }
      table.add(std::move(cells));
    }
    return table;
  };
  std::string text;
  for (std::size_t first = 0; first < predictions.size();) {
    std::size_t last = first + 1;
    while (last < predictions.size() && table_of(first, last + 1).width() <= kPage) {
      ++last;
    }
    text += (first == 0 ? "" : "\n") + table_of(first, last).text(style);
    first = last;
  }
  const bool marked = std::any_of(rows.begin(), rows.end(), [](const ComparedRow& row) {
    return std::find(row.best.begin(), row.best.end(), true) != row.best.end();
  });
  return text + cost_models_text(predictions, names) + (marked ? "\n  * best of those that fit\n" : "");
}

}  // namespace moesaic
