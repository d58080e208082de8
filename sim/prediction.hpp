// The answer: does it fit, how fast, what is the limit, what stands between, what would help most.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "base/quantity.hpp"
#include "model/energy.hpp"
#include "model/memory.hpp"
#include "sim/uncertainty.hpp"

namespace moesaic {

/// A static batch: `batch` requests arrive together, each with `input` prompt tokens and `output` generated tokens.
struct Load {
  std::int64_t batch = 1;
  std::int64_t input = 1;
  std::int64_t output = 1;
  std::int64_t step_tokens =
      8192;  ///< most prefill tokens of one step on one attention-parallel group (chunked prefill)
};

/// One bar of the waterfall from the limit to the prediction.
struct WaterfallBar {
  std::string id;    ///< stable: "routing_imbalance", "kernel_efficiency", "launch_latency", "communication",
                     ///< "capacity", "scheduling"
  std::string name;  ///< for people
  Seconds seconds;
  std::string resource;  ///< the machine figure it is charged to, e.g. "device.memory.bandwidth"
};

/// A bound that no schedule of this mapping can beat.
struct LimitPrediction {
  Seconds seconds;
  std::string resource;           ///< that sets it: a path such as "device.memory.bandwidth"
  Seconds resource_seconds;       ///< the largest (total demand / capacity) over resources
  Seconds critical_path_seconds;  ///< computing tasks at peak rates, communication free
};

/// Share of the phase's time in which a resource is busy at its peak rate.
struct ResourceUse {
  std::string resource;
  double utilisation = 0;
};

/// Prefill of the whole batch, or one decode step (averaged over the growing cache).
struct PhasePrediction {
  Seconds seconds;
  LimitPrediction limit;
  std::vector<WaterfallBar> waterfall;  ///< adds up to seconds - limit.seconds
  std::vector<ResourceUse> resources;
  double steps = 1;
};

/// One operator class on the roofline of a step.
struct OperatorRow {
  std::string block;      ///< "layer 0-2", "layer 3-60", "output"
  std::string operator_;  ///< label within the layer, e.g. "qkv"
  std::string kind;       ///< operator kind name
  std::string shape;      ///< "m=64 n=1280 k=4096"
  double count = 1;       ///< times per step
  Flops flops;            ///< of one execution on one device
  Bytes bytes;
  std::string unit;        ///< that executes it: "gpu", "cpu", "pim", "link"
  std::string arithmetic;  ///< "bf16"
  FlopsPerByte intensity;
  FlopsPerByte ridge;    ///< of the unit and format it runs on
  Seconds limit;         ///< of one execution at peak rates
  Seconds time;          ///< of one execution as predicted
  std::string bound_by;  ///< "compute", "memory", "link", "latency"
};

struct Elasticity {
  std::string figure;     ///< path of the hardware figure
  double throughput = 0;  ///< percent of throughput that one percent more of the figure buys (less, for latencies)
};

/// What would make it fit, when it does not.
struct FitAdvice {
  double largest_batch = 0;                    ///< at this context; 0: none
  double longest_context = 0;                  ///< for this batch; 0: none
  std::optional<std::int64_t> fewest_devices;  ///< a power of two, whatever the machine's scale-up domain holds
  std::optional<std::string> fewest_mapping;   ///< theirs, as --map takes it
  std::optional<std::string> smaller_type;     ///< such as "weights=fp8,kv=fp8" if that would fit
  std::optional<double> experts_on_device;     ///< largest "experts.device" with which a hybrid placement fits
  bool host_has_room = false;                  ///< for what the devices lack, where nothing is on the host
};

struct Prediction {
  // What was asked.
  std::string model;
  std::string machine;
  std::string mapping;
  std::string placement;
  std::string precision;
  std::string cost_model;  ///< "default efficiencies" or a profile's name
  std::int64_t devices = 1;
  Load load;

  bool fits = true;
  ReplicaMemory memory;
  FitAdvice advice;
  /// Requests served at once: the batch, or the largest that fits (the rest then waits its turn). 0: nothing runs.
  double running_batch = 0;

  // Times; all zero when nothing runs.
  PhasePrediction prefill;  ///< of the whole batch
  PhasePrediction decode;   ///< seconds: for every request of the batch to advance one token
  Seconds ttft;             ///< until the last prompt of the running batch is done
  Seconds tpot;             ///< mean step time that a running request sees
  Seconds end_to_end;       ///< until the whole batch is done
  PerSecond output_tokens;  ///< batch * output / end_to_end
  PerSecond total_tokens;   ///< prompts included
  PerSecond output_tokens_per_device;
  PerSecond decode_tokens;  ///< output tokens per second while decoding

  /// Around ttft, tpot and end_to_end, from the residuals of the measurements behind the costs (throughputs have the
  /// reciprocal factors). All ones at peak rates, which promise nothing.
  Interval ttft_interval;
  Interval tpot_interval;
  Interval end_to_end_interval;

  Joules energy_per_token;  ///< output token, prefill included, all devices and hosts
  /// Of the work alone, by what the machine's file says of moving and computing; per output token, all devices.
  WorkEnergy work_energy;
  Dollars per_million_tokens;  ///< output tokens
  std::vector<Elasticity> elasticity;
};

/// One point of a sweep over the batch, for curves.
struct SweepPoint {
  double batch = 0;
  bool fits = true;
  PerSecond output_tokens;        ///< over the replica, static batch
  PerSecond limit_output_tokens;  ///< the same with both phases at their limits
  Seconds tpot;
  Seconds limit_tpot;
  Seconds ttft;
  Seconds limit_ttft;
};

/// Which part of a step a table of operators is about, where layers are spread over pipeline stages.
struct StagePart {
  int stages = 1;
  int alike = 1;             ///< stages with the layers of the slowest
  double micro_batches = 1;  ///< that follow each other through the stages; prefill: steps
  double requests = 0;       ///< of one of them, in the whole replica
};

/// The operators of one step; with pipeline stages those of one micro-batch on the slowest stage.
struct OperatorTable {
  std::vector<OperatorRow> rows;
  Seconds step{};          ///< the step as predicted
  std::string cost_model;  ///< whose times
  std::optional<StagePart> part{};
};

}  // namespace moesaic
