// The published closed forms that moesaic closed-form evaluates, by name.
#pragma once

#include <string_view>
#include <vector>

#include "apps/closed_form_input.hpp"
#include "reports/closed_form.hpp"

namespace moesaic {

struct ClosedForm {
  std::string_view name;
  std::string_view about;  ///< what it tells, for --list
  ClosedFormReport (*evaluate)(const ClosedFormInput&);
};

/// In the order of configs/schema/closed_form.json.
const std::vector<ClosedForm>& closed_forms();
/// Throws UserError with the nearest name.
const ClosedForm& find_closed_form(std::string_view name);

// Whole systems (closed_form_systems.cpp). All throw UserError.
ClosedFormReport moe_lens_report(const ClosedFormInput& input);
ClosedFormReport roofline_report(const ClosedFormInput& input);
ClosedFormReport lightning_report(const ClosedFormInput& input);
ClosedFormReport flexgen_report(const ClosedFormInput& input);

// One idea each (closed_form_ideas.cpp). All throw UserError.
ClosedFormReport pre_gated_report(const ClosedFormInput& input);
ClosedFormReport ring_memory_report(const ClosedFormInput& input);
ClosedFormReport attention_split_report(const ClosedFormInput& input);
ClosedFormReport pipelined_layer_report(const ClosedFormInput& input);
ClosedFormReport expert_misses_report(const ClosedFormInput& input);

}  // namespace moesaic
