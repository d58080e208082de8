// The project's own accuracy targets, and which rows each is about.
#include <array>
#include <map>

#include "reports/validation_scores.hpp"

namespace moesaic {
namespace {

// The project's own accuracy targets: |predicted / measured - 1| on whole shapes that the fit has not seen, same device
// and stack. The first that matches counts.
constexpr std::array kTargets = {
    AccuracyTarget{"GEMM bf16", "gemm", "bf16", 0.025, 0.09},
    AccuracyTarget{"GEMM fp8", "gemm", "fp8", 0.02, 0.08},
    AccuracyTarget{"GEMM nvfp4", "gemm", "nvfp4", 0.04, 0.15},
    AccuracyTarget{"decode attention", "attention_decode", "", 0.03, 0.11},
    AccuracyTarget{"prefill attention", "attention_prefill", "", 0.04, 0.12},
    AccuracyTarget{"MLA prefill", "mla_prefill", "", 0.04, 0.12},
    AccuracyTarget{"MLA prefill, module", "mla_prefill_module", "", 0.04, 0.12},
    AccuracyTarget{"MLA decode", "mla_decode", "", 0.04, 0.12},
    AccuracyTarget{"MLA decode, module", "mla_decode_module", "", 0.04, 0.12},
    AccuracyTarget{"MoE layer, balanced", "moe balanced", "", 0.05, 0.20},
    AccuracyTarget{"MoE layer, skewed", "moe skewed", "", 0.08, 0.24},
    AccuracyTarget{"collectives", "collective", "", 0.05, 0.15},
    AccuracyTarget{"dispatch and combine", "expert_exchange", "", 0.07, 0.20},
};
// The same for a device that has no fit of its own and borrows another's.
constexpr AccuracyTarget kBorrowed{"another device's fit", "", "", 0.12, 0.35};

// Share of rows inside their 90% interval.
constexpr double kLeastCoverage = 0.86;
constexpr double kMostCoverage = 0.94;

}  // namespace

const AccuracyTarget* find_target(std::string_view kind, std::string_view dtype, JudgeMode mode) {
  if (mode == JudgeMode::borrowed) {
    return &kBorrowed;
  }
  for (const AccuracyTarget& target : kTargets) {
    if (target.kind == kind && dtype.starts_with(target.dtype)) {
      return &target;
    }
  }
  return nullptr;
}

bool meets(const AccuracyTarget& target, const JudgedGroup& scores) {
  return scores.median_abs_error <= target.median_abs_error && scores.p90_abs_error <= target.p90_abs_error;
}

bool intervals_hold(const JudgedGroup& scores) {
  return scores.coverage90 >= kLeastCoverage && scores.coverage90 <= kMostCoverage;
}

std::vector<TargetScores> target_scores(const Validation& validation) {
  std::map<const AccuracyTarget*, RowSet> rows;
  const std::vector<JudgedRow>& judged = validation.judgement.rows;
  for (std::uint32_t i = 0; i < judged.size(); ++i) {
    const std::string kind = kind_of(validation, judged[i]);
    if (const auto* target = find_target(kind, key_of(validation, judged[i]).dtype, judged[i].mode)) {
      rows[target].push_back(i);
    }
  }
  std::vector<TargetScores> result;
  const auto add = [&](const AccuracyTarget& target) {
    if (const auto found = rows.find(&target); found != rows.end()) {
      result.push_back({&target, score(validation.judgement, found->second)});
      for (const JudgedGroup& group : validation.judgement.groups) {
        if (find_target(group.kind, group.dtype, group.mode) == &target) {
          ++result.back().groups;
          result.back().groups_met += meets(target, group);
        }
      }
    }
  };
  for (const AccuracyTarget& target : kTargets) {
    add(target);
  }
  add(kBorrowed);
  return result;
}

}  // namespace moesaic
