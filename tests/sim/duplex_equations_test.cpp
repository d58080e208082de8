// Whole decode steps against the equations of the simulator published with Duplex (arXiv:2409.01141) in its ideal mode:
// every product max(2mkn/F, (mk+kn+mn) s/B) at peak, decode attention as two products with its scores in the GPU's
// memory and in the buffers of a unit beside it, experts one after another with as many tokens each, all-reduces of
// 2(N-1) messages, norms and residuals by their bytes, all with the rates of configs/machines/devices. Embedding and
// head take no time there.
#include <gtest/gtest.h>

#include <algorithm>
#include <string>

#include "sim/predict.hpp"
#include "tests/model/replicas.hpp"

namespace moesaic {
namespace {

struct Rates {
  double flops;
  double bytes;
};
constexpr Rates kDuplexGpu{989.4e12, 3.352e12}, kLogicPim{106.5e12, 13.408e12}, kBankPim{53.632e12, 53.632e12};
constexpr double kHalfBytes = 2;

double product(const Rates& unit, double m, double k, double n) {
  return m <= 0 ? 0 : std::max(2 * m * k * n / unit.flops, (m * k + k * n + m * n) * kHalfBytes / unit.bytes);
}

double attention(const Rates& unit, bool scores_in_memory, double sequences, double tokens, double heads,
                 double kv_heads, double width) {
  const double group = heads / kv_heads;
  const double moved = tokens * width + (scores_in_memory ? group * width + tokens * group : 0);
  const double flops = sequences * kv_heads * 2 * tokens * width * group;
  const double bytes = sequences * kv_heads * moved * kHalfBytes;
  return 2 * std::max(flops / unit.flops, bytes / unit.bytes) +
         (scores_in_memory ? 7 * sequences * tokens * heads / unit.flops : 0);
}

double feed_forward(const Rates& unit, double rows, double hidden, double width) {
  return 2 * product(unit, rows, hidden, width) + product(unit, rows, width, hidden) +
         (rows > 0 ? 3 * rows * width * kHalfBytes / unit.bytes : 0);
}

struct Step {
  const char* model;
  double layers, hidden, heads, kv_heads, width, experts, top_k, devices;
};
constexpr Step kMixtralStep{"Mixtral-8x7B", 32, 4096, 32, 8, 14336, 8, 2, 4};
constexpr Step kGrokStep{"grok-1", 64, 6144, 48, 8, 32768, 8, 2, 8};
constexpr Step kLlamaStep{"Llama-3.1-70B", 80, 8192, 64, 8, 28672, 0, 0, 4};

/// `near`: the unit beside the memory, if there is one: attention there, each expert where it is sooner.
double by_equations(const Step& of, double batch, double tokens, const Rates* near) {
  const double ranks = of.devices, head = 128, heads = of.heads / ranks, kv_heads = of.kv_heads / ranks;
  const double all_reduce = 2 * (ranks - 1) * (0.8e-6 + batch * of.hidden * kHalfBytes / ranks / 450e9);
  double layer = product(kDuplexGpu, batch, of.hidden, head * (heads + 2 * kv_heads)) +
                 product(kDuplexGpu, batch, heads * head, of.hidden) + 2 * all_reduce +
                 (10 * batch + 2) * of.hidden * kHalfBytes / kDuplexGpu.bytes;
  layer += near != nullptr ? attention(*near, false, batch, tokens, heads, kv_heads, head)
                           : attention(kDuplexGpu, true, batch, tokens, heads, kv_heads, head);
  if (of.experts == 0) {
    return of.layers * (layer + feed_forward(kDuplexGpu, batch, of.hidden, of.width / ranks));
  }
  const double rows = batch * of.top_k / of.experts;
  const double expert = feed_forward(kDuplexGpu, rows, of.hidden, of.width);
  layer += product(kDuplexGpu, batch, of.hidden, of.experts) +
           of.experts / ranks *
               (near == nullptr ? expert : std::min(expert, feed_forward(*near, rows, of.hidden, of.width)));
  return of.layers * layer;
}

double by_step(const Step& of, const char* machine, const char* placement, double batch, double tokens) {
  const Architecture architecture = preset(of.model);
  Precision precision = architecture.precision;
  const int ranks = static_cast<int>(of.devices);
  const StepPlan plan(architecture, precision, many(machine, ranks),
                      {.tensor = ranks, .expert = of.experts > 0 ? ranks : 1}, make_placement(placement), "even",
                      ExchangeKind::automatic, {.overlap = {}, .layers_only = true});
  const CostModelPointer cost = load_cost_model("ideal", plan.machine());
  return execute(build_step(plan, Batch::decode(batch, tokens - 1)), plan.view(), *cost).total.value;
}

TEST(DuplexEquations, WholeStepsAreWithinTwoPercent) {
  for (const Step& of : {kMixtralStep, kGrokStep, kLlamaStep}) {
    for (const double batch : {8.0, 32.0, 64.0, 128.0, 256.0}) {
      for (const double tokens : {312.0, 1536.0, 6144.0}) {
        SCOPED_TRACE(std::string(of.model) + ", " + std::to_string(batch) + " of " + std::to_string(tokens));
        EXPECT_NEAR(by_step(of, "duplex-8", "resident", batch, tokens) / by_equations(of, batch, tokens, nullptr), 1,
                    0.02);
        EXPECT_NEAR(by_step(of, "duplex-8", "faster-unit", batch, tokens) / by_equations(of, batch, tokens, &kLogicPim),
                    1, 0.02);
        EXPECT_NEAR(
            by_step(of, "bank-pim-4", "faster-unit", batch, tokens) / by_equations(of, batch, tokens, &kBankPim), 1,
            0.02);
      }
    }
  }
}

}  // namespace
}  // namespace moesaic
