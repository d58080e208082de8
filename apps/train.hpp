// moesaic train: one training step predicted.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "apps/validate.hpp"
#include "model/mapping.hpp"
#include "model/training.hpp"
#include "sim/training_prediction.hpp"

namespace moesaic {

/// One question in the words of the command line. Empty: the default.
struct TrainOptions {
  std::string model, machine, map, dtype, routing = "uniform", profile = "measured";
  std::int64_t devices = 0;  ///< 0: by the mapping, else one node's
  std::int64_t global_batch = 256, micro_batch = 1, sequence = 4096;
  std::string recompute = "none", zero = "1", schedule = "1f1b", attention = "fused";
  double capacity_factor = 0;
  bool no_overlap = false;
  std::vector<std::string> sets;
  std::string format = "text", output_file;
};

CLI::App* add_train_command(CLI::App& app, TrainOptions& options);
/// Throws UserError.
void run_train(const TrainOptions& options, const Console& console);

/// The options in terms of the model room. Throws UserError.
Training training_of(const TrainOptions& options);
TrainingPredictor make_training_predictor(const TrainOptions& options);
/// As parse_mapping, devices that are left over to data parallelism, with the defaults of Megatron-Core: sequence
/// parallelism with tensor parallelism, experts cut as attention is. Throws UserError.
Mapping training_mapping(const std::string& map, std::optional<int> devices, const Architecture& architecture);

}  // namespace moesaic
