// Layers of a network on the stages of a pipeline, and what each stage costs and holds in a training step.
#pragma once

#include <vector>

#include "sim/training_costs.hpp"
#include "sim/training_prediction.hpp"

namespace moesaic {

/// Layers of every run: pipeline * virtual_stages runs, run c * pipeline + s on stage s; as even as possible. The
/// last run, which has lm_head besides, gets no more than others, nor does the first where that goes.
std::vector<std::int64_t> layers_of_runs(std::int64_t layers, int runs);

/// Costs of every run, ends included.
std::vector<LayerCosts> run_costs(const Architecture& architecture, const NetworkCosts& costs, const Mapping& mapping);

/// Communication of weights and gradients between ranks that hold the same weights, for the parameters of `costs`.
struct DataTimes {
  Seconds reduce{};     ///< gradients in fp32: summed by all, or each rank its part
  Seconds gather{};     ///< weights in 16 bits from their parts
  PeakDemand demand;    ///< of both
  double elements = 0;  ///< parameters of which the rank keeps gradients and states
};
DataTimes data_times(double dense_parameters, double expert_parameters, const Mapping& mapping, ZeroStage zero,
                     const MachineView& view, const CostModel& cost);

/// What the devices of one stage hold. `runs` of this stage; `mean_in_flight`: (micro-batch, run) activations held.
struct StageLoad {
  LayerCosts sum;            ///< of its runs, without lm_head and loss
  Bytes output_kept{};       ///< of lm_head and loss, held for one micro-batch
  double largest_layer = 0;  ///< parameters of the largest layer, experts included
  int runs = 1;
  double in_flight = 1;
};
TrainingMemory stage_memory(const StageLoad& load, const Mapping& mapping, ZeroStage zero);

}  // namespace moesaic
