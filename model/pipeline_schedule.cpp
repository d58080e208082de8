#include "model/pipeline_schedule.hpp"

#include <array>
#include <string>
#include <vector>

#include "base/error.hpp"
#include "base/nearest.hpp"

namespace moesaic {
namespace {

constexpr std::array<std::string_view, kPipelineScheduleCount> kScheduleNames = {"gpipe", "1f1b", "interleaved",
                                                                                 "zero-bubble", "dualpipe"};

}  // namespace

PipelineSchedule parse_pipeline_schedule(std::string_view text) {
  for (std::size_t i = 0; i < kScheduleNames.size(); ++i) {
    if (kScheduleNames[i] == text) {
      return static_cast<PipelineSchedule>(i);
    }
  }
  throw UserError("--schedule: unknown schedule '" + printable(text) + "'" +
                  suggest(text, std::vector<std::string>(kScheduleNames.begin(), kScheduleNames.end())));
}

std::string_view name(PipelineSchedule schedule) { return kScheduleNames[static_cast<std::size_t>(schedule)]; }

}  // namespace moesaic
