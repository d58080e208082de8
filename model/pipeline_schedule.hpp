// In which order a pipeline stage works on its micro-batches.
#pragma once

#include <cstdint>
#include <string_view>

namespace moesaic {

enum class PipelineSchedule : std::uint8_t {
  gpipe,        ///< all forwards, then all backwards (1811.06965)
  one_f_one_b,  ///< a forward, a backward in turn (PipeDream-flush, 2104.04473)
  interleaved,  ///< the same over several runs of layers a stage (2104.04473 section 2.2)
  zero_bubble,  ///< weight gradients fill the bubbles (ZB-H1, 2401.10241)
  dual_pipe     ///< from both ends, a forward and a backward at once (2412.19437 section 3.2.1)
};
inline constexpr int kPipelineScheduleCount = 5;
/// "gpipe", "1f1b", "interleaved", "zero-bubble", "dualpipe". Throws UserError with the nearest name.
PipelineSchedule parse_pipeline_schedule(std::string_view text);
std::string_view name(PipelineSchedule schedule);

}  // namespace moesaic
