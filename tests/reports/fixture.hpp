// A prediction made by hand, so that reports are tested without the rooms below them: Mixtral-8x7B in bf16 on a DGX
// H100, tp=8, 64 requests of 1,024 + 256 tokens. The derivations are in fixture.cpp.
#pragma once

#include "reports/report.hpp"

namespace moesaic::fixture {

Machine dgx_h100();
Prediction mixtral();
/// The same model on one device, which cannot hold it: nothing runs.
Prediction too_large();
/// Fits in part: 40 of 64 requests run at once; weights live in host memory.
Prediction in_turns();

PageSection section();

}  // namespace moesaic::fixture
