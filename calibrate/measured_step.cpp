#include "calibrate/measured_step.hpp"

#include <fmt/format.h>

#include <array>
#include <cmath>
#include <fstream>
#include <sstream>

#include "base/error.hpp"
#include "calibrate/csv.hpp"
#include "calibrate/measured_step_tables.hpp"

namespace moesaic {

namespace fs = std::filesystem;

std::string_view name(StepKind kind) {
  static constexpr std::string_view kNames[] = {"prefill", "decode", "generation", "closed_loop", "layer"};
  return kNames[static_cast<std::size_t>(kind)];
}

std::string MeasuredStep::configuration() const {
  const std::string common = fmt::format("{} {} {} {} {} {}", device, software, model, format, mapping, input);
  // Repeats of a fixed batch with other lengths of the output are the same steps measured again.
  return common + (kind == StepKind::closed_loop ? fmt::format("/{}", output) : fmt::format(" x{}", batch));
}

bool in_fitted_half(const std::string& configuration) {
  std::uint64_t hash = 14695981039346656037u;  // FNV-1a, 64 bits
  for (const char c : configuration) {
    hash = (hash ^ static_cast<unsigned char>(c)) * 1099511628211u;
  }
  return (hash >> 32) % 2 == 0;  // the low bits of FNV depend on few bits of the text
}

std::string_view StepRow::text(std::string_view column) const {
  const auto index = table_.column(column);
  if (!index) {
    throw BadRow(fmt::format("no column '{}'", column));
  }
  return table_[*index];
}

double StepRow::number(std::string_view column) const {
  const std::string_view field = text(column);
  const auto value = parse_number(field);
  if (!value) {
    throw BadRow(fmt::format("{}: '{}' is not a number", column, printable(std::string(field))));
  }
  return *value;
}

std::int64_t StepRow::count(std::string_view column) const {
  const double value = number(column);
  if (!(value >= 1 && value <= 1e9 && value == std::floor(value))) {
    throw BadRow(fmt::format("{}: not a whole number from 1", column));
  }
  return static_cast<std::int64_t>(value);
}

namespace {

/// One of the two readers: rows that are steps of their own, or kernels of a layer that several rows make up.
struct Table {
  const char* file;
  void (*read)(const StepRow&, std::vector<MeasuredStep>&) = nullptr;
  LayerPart (*read_part)(const StepRow&) = nullptr;
};

constexpr Table kStepTables[] = {
    {"e2e/splitwise_prompt_token_times.csv", read_splitwise_step},
    {"e2e/cent_paper_a100_baselines.csv", read_cent_step},
    {"e2e/serving_gpu_ttft_tpot.csv", read_serving_step},
    {"operator/layers_vidur/dense_layer_ops.csv", read_vidur_layer},
    {"operator/layers_frontier/dense_layer_ops_h800.csv", read_frontier_layer},
    {"operator/layers_llmservingsim/dense_layer_ops.csv", nullptr, read_llmservingsim_kernel},
    {"operator/llmcompass/gpt3_layer_tp4_a100_breakdown.csv", nullptr, read_llmcompass_kernel}};

/// "layers_vidur/dense_layer_ops.csv": two sources name their tables alike.
std::string file_in_kind(const Table& table) {
  const std::string_view file = table.file;
  return std::string(file.substr(file.find('/') + 1));
}

void read_table(const Table& table, const std::string& text, MeasuredSteps& steps) {
  CsvTable csv(text);
  std::vector<LayerPart> parts;
  const auto place = [&](MeasuredStep& step) {
    if (!(step.measured.value > 0)) {
      throw BadRow("a time that is not positive");
    }
    step.file = file_in_kind(table);
    step.line = csv.line();
  };
  while (csv.next()) {
    try {
      csv.split();
      const StepRow row(csv);
      if (table.read_part != nullptr) {
        LayerPart part = table.read_part(row);
        place(part.step);
        parts.push_back(std::move(part));
        continue;
      }
      std::vector<MeasuredStep> found;
      table.read(row, found);
      for (MeasuredStep& step : found) {
        place(step);
        steps.rows.push_back(std::move(step));
      }
    } catch (const UnusedRow& row) {
      ++steps.left_out[row.what()];
    } catch (const BadRow& row) {
      ++steps.left_out[fmt::format("{}: {}", table.file, row.what())];
    }
  }
  for (MeasuredStep& layer : merge_parts(parts, steps.left_out)) {
    steps.rows.push_back(std::move(layer));
  }
}

}  // namespace

MeasuredSteps read_measured_steps(const fs::path& folder) {
  std::error_code error;
  if (!fs::is_directory(folder, error)) {
    throw UserError(fmt::format("{}: no such folder", printable(folder.string(), 400)));
  }
  MeasuredSteps steps;
  bool any = false;
  for (const Table& table : kStepTables) {
    std::ifstream stream(folder / table.file, std::ios::binary);
    if (!stream) {
      continue;
    }
    any = true;
    std::ostringstream content;
    content << stream.rdbuf();
    read_table(table, content.str(), steps);
  }
  if (!any) {
    throw UserError(fmt::format("{}: none of the tables of measured steps, such as {}", printable(folder.string(), 400),
                                kStepTables[0].file));
  }
  return steps;
}

}  // namespace moesaic
