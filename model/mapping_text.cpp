#include "model/mapping_text.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <cmath>
#include <vector>

#include "base/error.hpp"
#include "base/nearest.hpp"
#include "model/nearest_degree.hpp"

namespace moesaic {
namespace {

constexpr int kMostDevices = 1 << 20;

int parse_degree(std::string_view key, std::string_view text) {
  int value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc{} || end != text.data() + text.size() || value < 1 || value > kMostDevices) {
    throw UserError(fmt::format("--map: {}={} is not a whole number from 1 to {}", key, printable(text), kMostDevices));
  }
  return value;
}

struct Key {
  std::string_view name;
  int Mapping::*degree;
  bool Mapping::*choice = nullptr;
};
constexpr Key kKeys[] = {{"tp", &Mapping::tensor},
                         {"cp", &Mapping::context},
                         {"pp", &Mapping::pipeline},
                         {"dp", &Mapping::data},
                         {"ep", &Mapping::expert},
                         {"etp", &Mapping::expert_slices},
                         {"red", &Mapping::redundant},
                         {"vpp", &Mapping::virtual_stages},
                         {"sp", nullptr, &Mapping::sequence},
                         {"ring", nullptr, &Mapping::context_ring}};

struct Given {
  Mapping mapping;
  std::vector<std::string_view> keys;
  bool has(std::string_view key) const { return std::find(keys.begin(), keys.end(), key) != keys.end(); }
};

Given read_keys(std::string_view text) {
  Given given;
  std::string_view rest = text;
  while (!rest.empty()) {
    const std::string_view item = rest.substr(0, rest.find(','));
    rest.remove_prefix(item.size() == rest.size() ? item.size() : item.size() + 1);
    const auto equals = item.find('=');
    const std::string_view key = item.substr(0, equals);
    const auto* known = std::find_if(std::begin(kKeys), std::end(kKeys), [&](const Key& k) { return k.name == key; });
    if (known == std::end(kKeys)) {
      std::vector<std::string> names;
      for (const Key& each : kKeys) {
        names.emplace_back(each.name);
      }
      throw UserError(
          fmt::format("--map: unknown key '{}' in '{}'{}", printable(key), printable(text), suggest(key, names)));
    }
    if (equals == std::string_view::npos) {
      throw UserError(fmt::format("--map: '{}' in '{}' has no value; write for example tp=8", key, printable(text)));
    }
    if (given.has(key)) {
      throw UserError(fmt::format("--map: '{}' is given twice in '{}'", key, printable(text)));
    }
    given.keys.push_back(known->name);
    const std::string_view value = item.substr(equals + 1);
    if (known->degree != nullptr) {
      given.mapping.*known->degree = parse_degree(key, value);
    } else if (value == "0" || value == "1") {
      given.mapping.*known->choice = value == "1";
    } else {
      throw UserError(fmt::format("--map: {}={} is neither 0 nor 1", key, printable(value)));
    }
  }
  return given;
}

/// tp x cp x pp x dp, or some number above kMostDevices.
std::int64_t product(const Mapping& mapping) {
  std::int64_t all = mapping.tensor;
  for (const int degree : {mapping.context, mapping.pipeline, mapping.data}) {
    all = all > kMostDevices ? all : all * degree;
  }
  return all;
}

/// Degrees with the right product whose ratios to the given ones are the smallest: the free one first, stages and
/// parts of sequences that nobody asked for last. Of those that the network takes, if it is given and takes any.
Mapping nearest_product(const Given& given, FreeDegree free, int devices, const Architecture* network) {
  const Mapping& wanted = given.mapping;
  Machine enough;
  enough.devices = devices;
  std::optional<Mapping> best;
  double nearest = 1e300;
  std::vector<int> divisors;
  for (int i = 1; i <= devices / i; ++i) {
    if (devices % i == 0) {
      divisors.push_back(i);
      if (i != devices / i) {
        divisors.push_back(devices / i);
      }
    }
  }
  std::sort(divisors.begin(), divisors.end());
  const std::string_view free_key = free == FreeDegree::tensor ? "tp" : "dp";
  const auto weight = [&](std::string_view key, double of_equals) {
    return given.has(key) ? of_equals : key == free_key ? 1e-3 : 10;
  };
  const double of_tensor = weight("tp", 1.001), of_context = weight("cp", 1.003), of_pipeline = weight("pp", 1.002),
               of_data = weight("dp", 1);
  const auto far = [](int a, int b) { return std::abs(std::log(static_cast<double>(a) / b)); };
  for (const int tensor : divisors) {
    for (const int context : divisors) {
      for (const int pipeline : divisors) {
        const std::int64_t used = std::int64_t{tensor} * context * pipeline;
        if (used > devices || devices % used != 0) {
          continue;
        }
        const int data = static_cast<int>(devices / used);
        const double distance = far(tensor, wanted.tensor) * of_tensor + far(context, wanted.context) * of_context +
                                far(pipeline, wanted.pipeline) * of_pipeline + far(data, wanted.data) * of_data;
        Mapping tried = wanted;
        tried.tensor = tensor, tried.context = context, tried.pipeline = pipeline, tried.data = data;
        if (distance < nearest && (network == nullptr || mapping_works(*network, tried, enough))) {
          nearest = distance;
          best = tried;
        }
      }
    }
  }
  return best ? *best : nearest_product(given, free, devices, nullptr);
}

/// "tp x dp", with the other degrees that are more than one.
std::string product_names(const Mapping& mapping) {
  return fmt::format("tp{}{} x dp", mapping.context > 1 ? " x cp" : "", mapping.pipeline > 1 ? " x pp" : "");
}

std::string product_values(const Mapping& mapping) {
  std::string text = std::to_string(mapping.tensor);
  for (const int degree : {mapping.context, mapping.pipeline}) {
    if (degree > 1) {
      text += fmt::format(" x {}", degree);
    }
  }
  return fmt::format("{} x {}", text, mapping.data);
}

std::string product_text(const Mapping& mapping) {
  std::string text = fmt::format("tp={}", mapping.tensor);
  if (mapping.context > 1) {
    text += fmt::format(",cp={}", mapping.context);
  }
  if (mapping.pipeline > 1) {
    text += fmt::format(",pp={}", mapping.pipeline);
  }
  return fmt::format("{},dp={}", text, mapping.data);
}

Mapping parse(std::string_view text, std::optional<int> devices, FreeDegree free, const Architecture* network) {
  const Given given = read_keys(text);
  Mapping mapping = given.mapping;
  int& degree = free == FreeDegree::tensor ? mapping.tensor : mapping.data;
  if (devices && !given.has(free == FreeDegree::tensor ? "tp" : "dp") && *devices % product(mapping) == 0) {
    degree = static_cast<int>(*devices / product(mapping));
  }
  const std::int64_t all = product(mapping);
  if (all > kMostDevices) {
    throw UserError(fmt::format("--map: {} maps {} devices; at most {} are allowed", text, all, kMostDevices));
  }
  if (devices && all != *devices) {
    throw UserError(fmt::format("--map: {} = {} = {} devices, but there are {}; for example {}", product_names(mapping),
                                product_values(mapping), all, *devices,
                                product_text(nearest_product(given, free, *devices, network))));
  }
  const int stage = mapping.stage_devices();
  const char* of_stage = mapping.pipeline > 1 ? " of a pipeline stage" : "";
  if (stage % mapping.expert != 0) {
    throw UserError(
        fmt::format("--map: ep={} does not divide the {} devices{} ({}){}", mapping.expert, stage, of_stage,
                    mapping.context > 1 ? "tp x cp x dp" : "tp x dp",
                    nearest_degree("ep", mapping.expert, stage, "", [&](int e) { return stage % e == 0; })));
  }
  const int most = stage / mapping.expert;
  if (mapping.expert_slices > 0 && most % mapping.expert_slices != 0) {
    throw UserError(fmt::format(
        "--map: etp={} does not divide the {} devices{} that each of the ep={} groups of experts has{}",
        mapping.expert_slices, most, of_stage, mapping.expert,
        nearest_degree("etp", mapping.expert_slices, most, "", [&](int slices) { return most % slices == 0; })));
  }
  return mapping;
}

}  // namespace

Mapping parse_mapping(std::string_view text, std::optional<int> devices, FreeDegree free) {
  return parse(text, devices, free, nullptr);
}

Mapping parse_mapping_of(const Architecture& architecture, std::string_view text, std::optional<int> devices,
                         FreeDegree free) {
  return parse(text, devices, free, &architecture);
}

std::string to_text(const Mapping& mapping) {
  std::string text = fmt::format("tp={},ep={},dp={}", mapping.tensor, mapping.expert, mapping.data);
  const auto add = [&](std::string_view key, int degree) { text += fmt::format(",{}={}", key, degree); };
  if (mapping.pipeline > 1) {
    add("pp", mapping.pipeline);
  }
  if (mapping.virtual_stages > 1) {
    add("vpp", mapping.virtual_stages);
  }
  if (mapping.context > 1) {
    add("cp", mapping.context);
  }
  if (mapping.expert_slices > 0) {
    add("etp", mapping.expert_slices);
  }
  if (mapping.redundant > 0) {
    add("red", mapping.redundant);
  }
  if (mapping.sequence) {
    add("sp", 1);
  }
  if (!mapping.context_ring) {
    add("ring", 0);
  }
  return text;
}

}  // namespace moesaic
