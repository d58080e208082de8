#include "sim/training_advice.hpp"

#include <algorithm>
#include <limits>
#include <map>
#include <optional>

#include "base/error.hpp"
#include "model/mapping_space.hpp"

namespace moesaic {
namespace {

constexpr std::size_t kMostOptions = 5;
using Changes = std::vector<TrainingChange>;

/// What `to` changes of `from`; nothing where it takes a degree back.
std::optional<Changes> mapping_changes(const Mapping& from, const Mapping& to, bool experts) {
  Changes changes;
  bool more = true;
  const auto compare = [&](int before, int after, TrainingChange change) {
    more = more && after >= before;
    if (after != before) {
      changes.push_back(change);
    }
  };
  compare(from.tensor, to.tensor, TrainingChange::tensor);
  if (from.tensor > 1) {
    compare(static_cast<int>(from.sequence), static_cast<int>(to.sequence), TrainingChange::sequence);
  } else {
    more = more && to.sequence == (to.tensor > 1);
  }
  compare(from.pipeline, to.pipeline, TrainingChange::pipeline);
  compare(from.context, to.context, TrainingChange::context);
  if (experts) {
    compare(from.expert, to.expert, TrainingChange::expert);
    const bool follows = from.expert_tensor() == from.tensor && to.expert_tensor() == to.tensor;
    if (!follows) {
      compare(from.expert_tensor(), to.expert_tensor(), TrainingChange::expert_tensor);
    }
  }
  return more ? std::optional(changes) : std::nullopt;
}

struct Setting {
  Training training;
  Changes changes;
};

/// The training asked for, and all with less memory.
std::vector<Setting> settings_of(const Training& asked) {
  std::vector<Setting> settings;
  for (int zero = static_cast<int>(asked.zero); zero <= static_cast<int>(ZeroStage::weights); ++zero) {
    for (int again = static_cast<int>(asked.recompute); again <= static_cast<int>(Recompute::full); ++again) {
      for (std::int64_t micro = asked.micro_batch;; micro /= 2) {
        Setting setting{asked, {}};
        setting.training.zero = static_cast<ZeroStage>(zero);
        setting.training.recompute = static_cast<Recompute>(again);
        setting.training.micro_batch = micro;
        const auto changed = [&](bool is, TrainingChange change) {
          if (is) {
            setting.changes.push_back(change);
          }
        };
        changed(setting.training.zero != asked.zero, TrainingChange::zero);
        changed(setting.training.recompute != asked.recompute, TrainingChange::recompute);
        changed(micro != asked.micro_batch, TrainingChange::micro_batch);
        settings.push_back(std::move(setting));
        if (micro % 2 != 0) {
          break;
        }
      }
    }
  }
  return settings;
}

struct Near {
  Mapping mapping;
  Changes changes;
};

class Adviser {
 public:
  Adviser(const TrainingPredictor& predictor, const Mapping& mapping, const Training& training)
      : predictor_(predictor), asked_(mapping), training_(training) {}

  TrainingAdvice advise() {
    const int devices = asked_.devices();
    const std::vector<Near> near = mappings_of(devices);
    const std::vector<Setting> settings = settings_of(training_);
    std::size_t most = 0;
    for (const Near& mapping : near) {
      most = std::max(most, mapping.changes.size());
    }
    advice_.most_devices = devices;
    for (std::size_t changes = 1; changes <= most + 3 && found_.empty(); ++changes) {
      for (const Near& mapping : near) {
        for (const Setting& setting : settings) {
          if (mapping.changes.size() + setting.changes.size() == changes) {
            attempt(mapping, setting);
          }
        }
      }
    }
    const std::int64_t there = predictor_.machine().total_devices();
    for (std::int64_t more = std::int64_t{2} * devices; more <= there && found_.empty(); more *= 2) {
      advice_.most_devices = static_cast<int>(more);
      for (Near& mapping : mappings_of(advice_.most_devices)) {
        mapping.changes.push_back(TrainingChange::devices);
        attempt(mapping, least());
      }
    }
    std::size_t fewest = std::numeric_limits<std::size_t>::max();
    for (const auto& [changes, option] : found_) {
      fewest = std::min(fewest, changes.size());
    }
    for (auto& [changes, option] : found_) {
      if (changes.size() == fewest) {
        advice_.options.push_back(std::move(option));
      }
    }
    std::stable_sort(advice_.options.begin(), advice_.options.end(),
                     [](const TrainingOption& a, const TrainingOption& b) { return a.step < b.step; });
    advice_.options.resize(std::min(advice_.options.size(), kMostOptions));
    return std::move(advice_);
  }

 private:
  std::vector<Near> mappings_of(int devices) const {
    const bool experts = has_experts(predictor_.architecture());
    std::vector<Near> near;
    for (Mapping mapping : list_mappings(predictor_.architecture(), predictor_.machine(),
                                         {.devices = devices, .copies = false, .separate = false})) {
      const std::optional<Changes> changes = mapping_changes(asked_, mapping, experts);
      mapping.context_ring = asked_.context_ring;
      mapping.redundant = asked_.redundant;
      mapping.virtual_stages = asked_.virtual_stages;
      if (changes && mapping_works(predictor_.architecture(), mapping, predictor_.machine())) {
        near.push_back({mapping, *changes});
      }
    }
    return near;
  }

  /// The setting that takes the least memory.
  Setting least() const { return settings_of(training_).back(); }

  void attempt(const Near& near, const Setting& setting) {
    TrainingOption option{near.mapping, setting.training, setting.changes, {}, {}};
    option.changes.insert(option.changes.end(), near.changes.begin(), near.changes.end());
    TrainingPrediction prediction;
    try {
      prediction = predictor_.predict(near.mapping, setting.training);
    } catch (const UserError&) {
      return;  // a batch that it does not divide, or a schedule that it does not have
    }
    ++advice_.tried;
    option.memory = prediction.memory.total();
    option.step = prediction.step;
    if (prediction.memory.fits()) {
      const auto [at, first] = found_.try_emplace(option.changes, option);
      if (!first && option.step < at->second.step) {
        at->second = std::move(option);
      }
    } else if (advice_.closest.memory == Bytes{0} || option.memory < advice_.closest.memory) {
      advice_.closest = std::move(option);
    }
  }

  const TrainingPredictor& predictor_;
  const Mapping& asked_;
  const Training& training_;
  TrainingAdvice advice_;
  std::map<Changes, TrainingOption> found_;
};

}  // namespace

const char* name(TrainingChange change) {
  switch (change) {
    case TrainingChange::zero:
      return "--zero";
    case TrainingChange::recompute:
      return "--recompute";
    case TrainingChange::micro_batch:
      return "--micro-batch";
    case TrainingChange::tensor:
      return "tp";
    case TrainingChange::sequence:
      return "sp";
    case TrainingChange::pipeline:
      return "pp";
    case TrainingChange::context:
      return "cp";
    case TrainingChange::expert:
      return "ep";
    case TrainingChange::expert_tensor:
      return "etp";
    case TrainingChange::devices:
      return "--devices";
  }
  MOESAIC_ASSERT(false);
}

TrainingAdvice training_advice(const TrainingPredictor& predictor, const Mapping& mapping, const Training& training) {
  return Adviser(predictor, mapping, training).advise();
}

}  // namespace moesaic
