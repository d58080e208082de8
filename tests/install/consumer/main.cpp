// A program of someone else that uses the installed libraries and configurations.
#include <cstdio>

#include "model/architecture.hpp"

int main() {
  const auto mixtral = moesaic::read_architecture(moesaic::load_model_config("Mixtral-8x7B-v0.1"));
  std::printf("cached elements per token: %.0f\n", moesaic::kv_elements_per_token(mixtral));
}
