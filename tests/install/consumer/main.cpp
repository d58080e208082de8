// A program of someone else that uses the installed libraries and configurations.
#include <cstdio>

#include "sim/predict.hpp"

int main() {
  using namespace moesaic;
  const Architecture mixtral = read_architecture(load_model_config("Mixtral-8x7B-v0.1"));
  std::printf("cached elements per token: %.0f\n", kv_elements_per_token(mixtral));
  const Machine machine = read_machine(load_machine_config("dgx-h100"));
  const Deployment deployment{
      StepPlan(mixtral, mixtral.precision, machine, default_mapping(mixtral, 8), make_placement("resident")),
      load_cost_model("peak", machine)};
  const Prediction prediction = predict(deployment, {.batch = 1, .input = 1024, .output = 2});
  std::printf("one token at peak rates: %.2f ms\n", prediction.tpot.value * 1e3);
}
