// The mean over the steps of a generation from a few of them equals the mean over all.
#include "sim/quadrature.hpp"

#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include <cmath>

#include "sim/predict.hpp"
#include "tests/model/draw.hpp"
#include "tests/model/replicas.hpp"
#include "tests/sim/scenario.hpp"

namespace moesaic {
namespace {

Architecture with_window(std::int64_t window, bool chunked) {
  SoftmaxAttention attention;
  attention.heads = attention.kv_heads = attention.qk_dim = attention.v_dim = 1;
  attention.window = window;
  attention.chunked = chunked;
  Architecture architecture;
  architecture.kinds = {{attention, DenseFeedForward{1}}};
  return architecture;
}

// Exact for the pairs of full and windowed attention, which are straight lines between the points where a window fills.
RC_GTEST_PROP(MeanNodes, CountThePairsOfEveryStep, ()) {
  const std::int64_t window = any_of<std::int64_t>({0, 1, 128, 1000, 4096});
  const bool chunked = window >= 128 && coin();
  const double first = static_cast<double>(up_to(9000) - 1), last = first + static_cast<double>(up_to(5000) - 1);
  const auto pairs = [&](double context) { return attention_pairs(1, context, static_cast<double>(window), chunked); };
  std::vector<Node> nodes;
  mean_nodes(with_window(window, chunked), first, last, nodes);
  double weights = 0, mean = 0, all = 0;
  for (const Node& node : nodes) {
    RC_ASSERT(node.context >= first && node.context <= last);
    weights += node.weight;
    mean += node.weight * pairs(node.context);
  }
  for (double context = first; context <= last; ++context) {
    all += pairs(context);
  }
  RC_LOG() << "window " << window << (chunked ? " chunked" : "") << ", contexts " << first << " to " << last << ": "
           << mean << " instead of " << all / (last - first + 1) << "\n";
  RC_ASSERT(std::abs(weights - 1) < 1e-12);
  RC_ASSERT(std::abs(mean / (all / (last - first + 1)) - 1) < 1e-12);
}

// Of whole steps, whose operators may change between memory and arithmetic on the way, within a part in a thousand.
TEST(MeanNodes, DecodeIsTheMeanOfItsSteps) {
  struct Case {
    const char *model, *machine, *placement;
  };
  for (const Case& one :
       {Case{"gpt-oss-20b", "h100-sxm", "resident"}, Case{"Llama-4-Scout", "dgx-h200", "resident"},
        Case{"Qwen3-Next", "dgx-h100", "resident"}, Case{"MiniMax-M1", "dgx-b200", "resident"},
        Case{"DeepSeek-V2-Lite", "h100-sxm", "resident"}, Case{"Mixtral-8x7B", "xeon-8380-a40", "streamed"}}) {
    const Deployment on = deployment(
        one.model, one.machine, default_mapping(preset(one.model), machine_named(one.machine).devices), one.placement);
    constexpr std::int64_t kSteps = 600;
    Load load{.batch = 8, .input = 7900, .output = kSteps + 1};
    Predictor predictor(on);
    const double mean = predictor.times(load).decode.predicted.value;
    double sum = 0;
    load.output = 2;
    for (std::int64_t step = 0; step < kSteps; ++step, ++load.input) {
      sum += predictor.times(load).decode.predicted.value;
    }
    EXPECT_NEAR(mean / (sum / kSteps), 1, 1e-3) << one.model;
  }
}

}  // namespace
}  // namespace moesaic
