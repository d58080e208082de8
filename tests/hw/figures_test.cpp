#include "hw/figures.hpp"

#include <cmath>
#include <cstdio>

#include "tests/hw/every_machine.hpp"
#include "tests/user_error.hpp"

namespace moesaic {
namespace {

// A machine's figures with their values as the configuration has them, in SI units.
double written_value(const Config& config, const std::string& path) {
  Config at = config;
  for (std::size_t start = 0; start <= path.size();) {
    const std::size_t dot = std::min(path.find('.', start), path.size());
    at = at.at(path.substr(start, dot - start));
    start = dot + 1;
  }
  if (path.ends_with("latency")) {
    return at.quantity<Seconds>().value;
  }
  if (path.ends_with("capacity")) {
    return at.quantity<Bytes>().value;
  }
  return path.find(".peak.") != path.npos ? at.quantity<FlopsPerSecond>().value : at.quantity<BytesPerSecond>().value;
}

std::string text(const std::string& path, double value) {
  const char* unit = path.ends_with("latency")          ? "s"
                     : path.ends_with("capacity")       ? "B"
                     : path.find(".peak.") != path.npos ? "FLOP/s"
                                                        : "B/s";
  char buffer[64];
  std::snprintf(buffer, sizeof buffer, "%.17g %s", value, unit);
  return buffer;
}

// All numbers of a machine that a figure can change, in a fixed order.
std::vector<double> numbers(const Machine& machine) {
  std::vector<double> result;
  const auto add_unit = [&](const Unit& unit) {
    for (const FlopsPerSecond rate : unit.peak) {
      result.push_back(rate.value);
    }
    result.insert(result.end(), {unit.memory_bandwidth.value, unit.launch_latency.value});
  };
  const auto add_memory = [&](const Memory& memory) {
    result.insert(result.end(), {memory.capacity.value, memory.bandwidth.value});
  };
  std::for_each(machine.device.units.begin(), machine.device.units.end(), add_unit);
  add_memory(machine.device.memory);
  for (const auto& link : {machine.device.scale_up, machine.device.host_link, machine.network}) {
    if (link) {
      result.insert(result.end(), {link->bandwidth.value, link->latency.value});
    }
  }
  if (machine.host) {
    add_unit(machine.host->cpu);
    add_memory(machine.host->memory);
  }
  return result;
}

class FiguresTest : public testing::TestWithParam<std::string> {
 protected:
  const Config config_ = load_machine_config(GetParam());
  const Machine machine_ = read_machine(config_);
};

TEST_P(FiguresTest, EachIsInTheConfigurationUnderItsPath) {
  const std::vector<HardwareFigure> figures = hardware_figures(machine_);
  EXPECT_GE(figures.size(), 7u);
  for (const HardwareFigure& figure : figures) {
    EXPECT_GT(written_value(config_, figure.path), 0) << figure.path;
    EXPECT_EQ(figure.more_is_better, !figure.path.ends_with("latency")) << figure.path;
  }
}

TEST_P(FiguresTest, ScalingEqualsSettingTheConfiguration) {
  for (const HardwareFigure& figure : hardware_figures(machine_)) {
    const Machine scaled = scale_figure(machine_, figure.path, 1.1);
    const double value = 1.1 * written_value(config_, figure.path);
    const Machine set = read_machine(config_.set(figure.path, text(figure.path, value)));
    const std::vector<double> a = numbers(scaled);
    const std::vector<double> b = numbers(set);
    ASSERT_EQ(a.size(), b.size());
    for (std::size_t i = 0; i < a.size(); ++i) {
      EXPECT_NEAR(a[i], b[i], 1e-12 * std::abs(b[i])) << figure.path;
    }
  }
}

TEST_P(FiguresTest, ScalingChangesThatFigureOnly) {
  const std::vector<double> before = numbers(machine_);
  for (const HardwareFigure& figure : hardware_figures(machine_)) {
    const std::vector<double> after = numbers(scale_figure(machine_, figure.path, 1.1));
    std::size_t changed = 0;
    for (std::size_t i = 0; i < before.size(); ++i) {
      if (after[i] != before[i]) {
        EXPECT_NEAR(after[i], 1.1 * before[i], 1e-12 * after[i]);
        ++changed;
      }
    }
    // A memory's bandwidth is also that of the units which have no channel of their own.
    const auto& units = machine_.device.units;
    const auto sharing = std::count_if(units.begin(), units.end(), [](const Unit& unit) { return !unit.own_channel; });
    const std::size_t expected = figure.path == "device.memory.bandwidth" ? 1 + static_cast<std::size_t>(sharing)
                                 : figure.path == "host.memory.bandwidth" ? 2
                                                                          : 1;
    EXPECT_EQ(changed, expected) << figure.path;
  }
}

INSTANTIATE_TEST_SUITE_P(Machines, FiguresTest,
                         testing::Values("h100-sxm", "dgx-h100", "duplex-4", "gb200-nvl72", "xeon-8380-a40", "tpu-v5e",
                                         "l40s-8-pcie"),
                         name_of_parameter);

TEST(Figures, PathsOfANode) {
  const Machine machine = machine_named("duplex-4");
  std::vector<std::string> paths;
  for (const HardwareFigure& figure : hardware_figures(machine)) {
    paths.push_back(figure.path);
  }
  const std::vector<std::string> expected = {"device.units.gpu.peak.fp32",
                                             "device.units.gpu.peak.bf16",
                                             "device.units.gpu.peak.fp16",
                                             "device.units.gpu.peak.fp8",
                                             "device.units.gpu.launch_latency",
                                             "device.units.pim.peak.bf16",
                                             "device.units.pim.peak.fp16",
                                             "device.units.pim.peak.fp8",
                                             "device.units.pim.memory_bandwidth",
                                             "device.units.pim.launch_latency",
                                             "device.memory.capacity",
                                             "device.memory.bandwidth",
                                             "device.scale_up.bandwidth",
                                             "device.scale_up.latency",
                                             "device.host_link.bandwidth",
                                             "device.host_link.latency",
                                             "network.bandwidth",
                                             "network.latency"};
  EXPECT_EQ(paths, expected);
}

TEST(Figures, AChannelOfItsOwnDoesNotFollowTheMemory) {
  const Machine machine = machine_named("duplex");
  const Machine scaled = scale_figure(machine, "device.memory.bandwidth", 2);
  EXPECT_EQ(scaled.device.units[0].memory_bandwidth.value, 2 * machine.device.units[0].memory_bandwidth.value);
  EXPECT_EQ(scaled.device.units[1].memory_bandwidth.value, machine.device.units[1].memory_bandwidth.value);
}

TEST(Figures, UnknownPathsAreNamed) {
  const Machine machine = machine_named("h100-sxm");
  EXPECT_EQ(user_error([&] { return scale_figure(machine, "device.memory.bandwith", 1.1); }),
            "machine h100-sxm has no figure 'device.memory.bandwith' (did you mean 'device.memory.bandwidth'?)");
  const std::string zero = user_error([&] { return scale_figure(machine, "device.units.gpu.peak.fp4", 1.1); });
  EXPECT_NE(zero.find("no figure 'device.units.gpu.peak.fp4'"), zero.npos) << zero;
}

}  // namespace
}  // namespace moesaic
