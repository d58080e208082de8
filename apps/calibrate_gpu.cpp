// moesaic calibrate --device cuda: from a GPU to a machine with its kernels.
#include <fmt/format.h>

#include <optional>
#include <ostream>

#include "apps/calibrate.hpp"
#include "apps/interrupt.hpp"
#include "apps/output.hpp"
#include "apps/progress_line.hpp"
#include "base/error.hpp"
#include "calibrate/gpu_machine.hpp"
#include "calibrate/read_measurements.hpp"

namespace moesaic {
namespace {

GpuCalibration measure_with_progress(cuda::Runtime& runtime, const CalibrateOptions& options, std::ostream& err) {
  const Interrupt interrupt;
  ProgressLine line(err);
  GpuMeasureOptions measure;
  if (options.seconds) {
    measure.budget = {*options.seconds};
  }
  if (options.clock) {
    measure.clock = options.clock;
  }
  measure.shapes = model_shapes(shipped_models());
  measure.routing = options.routing;
  measure.stop = &interrupt.flag();
  measure.progress = [&](const MeasureProgress& progress) { line.show(progress); };
  return measure_gpu(runtime, measure);
}

}  // namespace

void calibrate_gpu(cuda::Runtime& runtime, const CalibrateOptions& options, std::ostream& out, std::ostream& err) {
  const GpuCalibration result = measure_with_progress(runtime, options, err);
  keep_measured(result, options, out, err);
  const std::string ended = result.lost.empty()
                                ? std::string()
                                : fmt::format("--device cuda: measuring ended after {} of {} points: {}", result.done,
                                              result.total, result.lost);
  std::optional<Profile> profile;
  try {
    profile = fit_gpu_profile(result.facts, result.measurements, fit_date(options));
    write_result(gpu_machine_json(result.facts, profile ? &*profile : nullptr), options.output_file, out);
  } catch (const UserError& error) {
    throw UserError(ended.empty() ? error.what() : ended + "; " + error.what());
  }
  out << gpu_facts_text(result.facts);
  if (profile) {
    out << fit_summary(*profile);
  }
  out << fmt::format("{} points measured; the machine is in {}: moesaic predict --machine {}\n", result.done,
                     options.output_file, options.output_file);
  if (!ended.empty()) {
    throw UserError(ended + "; what was measured is written");
  }
}

}  // namespace moesaic
