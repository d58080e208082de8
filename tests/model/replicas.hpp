// Replicas for tests: shipped models on shipped machines, and what their layers are written out as.
#pragma once

#include <gtest/gtest.h>

#include <string>
#include <utility>
#include <vector>

#include "base/catalog.hpp"
#include "model/step.hpp"
#include "tests/hw/every_machine.hpp"
#include "tests/model/model_texts.hpp"

namespace moesaic {

/// Calls visit(architecture) for every shipped model; a failure names it.
template <class Visit>
void for_every_model(Visit visit) {
  const std::vector<CatalogEntry> models = list_catalog("models");
  EXPECT_GE(models.size(), 41U);
  for (const CatalogEntry& entry : models) {
    SCOPED_TRACE(entry.name);
    visit(read_architecture(load_model_config(entry.file.string())));
  }
}

/// A machine of `devices` of the shipped ones.
inline Machine many(const std::string& machine, int devices) {
  Machine result = machine_named(machine);
  result.devices = devices;
  return result;
}

inline StepPlan replica(const Architecture& architecture, const Mapping& mapping = {},
                        const PlacementPointer& placement = resident_placement(),
                        const std::string& machine = "dgx-h200") {
  return {architecture, architecture.precision, many(machine, mapping.devices()), mapping, placement};
}

/// The operators of one part of a network on one rank, without placement.
template <class Append>
std::vector<Operator> written(const Architecture& architecture, const Batch& batch, Append append,
                              const Mapping& mapping = {}) {
  const LayerContext context{.hidden = architecture.hidden,
                             .vocabulary = architecture.vocabulary,
                             .precision = &architecture.precision,
                             .mapping = mapping};
  RankBatch share;
  share_batch(batch, mapping, share);
  std::vector<Operator> operators;
  append(context, share, operators);
  return operators;
}

inline std::vector<Operator> attention_of(const Architecture& architecture, std::size_t kind, const Batch& batch,
                                          const Mapping& mapping = {}) {
  return written(
      architecture, batch,
      [&](const LayerContext& context, const RankBatch& share, std::vector<Operator>& out) {
        append_attention(architecture.kinds[kind].attention, context, share, out);
      },
      mapping);
}

/// The one operator with this label.
inline Operator the(const std::vector<Operator>& operators, const std::string& label) {
  std::vector<Operator> found;
  for (const Operator& op : operators) {
    if (op.label == label) {
      found.push_back(op);
    }
  }
  EXPECT_EQ(found.size(), 1U) << label;
  return found.empty() ? Operator{} : found.front();
}

/// FLOPs that papers count: matrix products, scores, states and convolutions.
inline bool counts_as_product(const Operator& op) {
  return std::holds_alternative<Gemm>(op.shape) || std::holds_alternative<GroupedGemm>(op.shape) ||
         std::holds_alternative<SoftmaxScores>(op.shape) || std::holds_alternative<StateUpdate>(op.shape) ||
         std::string_view(op.label) == "convolution";
}

/// Sum of measure(task) over the step, as double.
template <class Measure>
double over_step(const StepGraph& graph, Measure measure) {
  double sum = 0;
  for (const LayerGraph& layer : graph.layers) {
    for (const Task& task : graph.tasks_of(layer)) {
      sum += measure(task) * layer.executions;
    }
  }
  return sum;
}

inline double product_flops(const StepGraph& graph) {
  return over_step(graph, [](const Task& task) { return counts_as_product(task.op) ? task.work.flops.value : 0; });
}

}  // namespace moesaic
