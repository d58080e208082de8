#include "apps/calibrate.hpp"

#include <dlfcn.h>
#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <cmath>
#include <iostream>
#include <memory>

#include "apps/interrupt.hpp"
#include "apps/output.hpp"
#include "apps/progress_line.hpp"
#include "base/error.hpp"
#include "base/nearest.hpp"
#include "calibrate/cpu_machine.hpp"
#include "calibrate/measure_cpu.hpp"
#include "calibrate/read_measurements.hpp"
#include "kernels/cuda/runtime.hpp"

namespace moesaic {
namespace {

constexpr double kMostSeconds = 3600, kCpuSeconds = 100;

CpuCalibration measure_with_progress(const CalibrateOptions& options, std::ostream& err) {
  const Interrupt interrupt;
  ProgressLine line(err);
  CpuMeasureOptions measure;
  measure.threads = options.threads;
  measure.budget = {options.seconds.value_or(kCpuSeconds)};
  measure.stop = &interrupt.flag();
  measure.progress = [&](const MeasureProgress& progress) { line.show(progress); };
  return measure_cpu(measure);
}

void calibrate_cpu(const CalibrateOptions& options, std::ostream& out, std::ostream& err) {
  if (options.output_file.empty()) {
    throw UserError("-o: 'moesaic calibrate --device cpu' needs a file to write the machine to");
  }
  const CpuCalibration result = measure_with_progress(options, err);
  keep_measured(result, options, out, err);
  const std::optional<Profile> profile = fit_cpu_profile(result.facts, result.measurements, fit_date(options));
  write_result(cpu_machine_json(result.facts, profile ? &*profile : nullptr), options.output_file, out);
  out << cpu_facts_text(result.facts);
  if (profile) {
    out << fit_summary(*profile);
  }
  out << fmt::format("{} points measured; the machine is in {}: moesaic predict --machine {}\n", result.done,
                     options.output_file, options.output_file);
}

/// Says what is missing where there is no GPU that can be measured.
void require_gpu() {
  const std::unique_ptr<void, int (*)(void*)> driver(dlopen("libcuda.so.1", RTLD_NOW | RTLD_LOCAL | RTLD_NODELETE),
                                                     [](void* handle) { return handle ? dlclose(handle) : 0; });
  if (!driver) {
    throw UserError("--device cuda: there is no NVIDIA driver here (no libcuda.so.1), so no GPU can be measured");
  }
  const auto init = reinterpret_cast<int (*)(unsigned)>(dlsym(driver.get(), "cuInit"));
  const auto count_of = reinterpret_cast<int (*)(int*)>(dlsym(driver.get(), "cuDeviceGetCount"));
  int count = 0;
  if (init == nullptr || count_of == nullptr || init(0) != 0 || count_of(&count) != 0 || count == 0) {
    throw UserError("--device cuda: there is an NVIDIA driver here but no GPU that it can use");
  }
}

void calibrate_cuda(const CalibrateOptions& options, std::ostream& out, std::ostream& err) {
  require_gpu();
  const std::unique_ptr<cuda::Runtime> runtime = cuda::cuda_runtime();
  if (!runtime) {
    throw UserError(
        "--device cuda: there is a GPU here, but this build has no CUDA kernels to measure it with; install the CUDA "
        "Toolkit and build again");
  }
  calibrate_gpu(*runtime, options, out, err);
}

}  // namespace

void keep_measured(const MeasuredRun& result, const CalibrateOptions& options, std::ostream& out, std::ostream& err) {
  for (const std::string& warning : result.warnings) {
    err << "moesaic: warning: " << warning << '\n';
  }
  if (result.stopped) {
    err << fmt::format("moesaic: interrupted after {} of {} points; what was measured is written\n", result.done,
                       result.total);
  }
  if (!options.measurements_file.empty()) {
    write_result(measurements_csv(result.measurements), options.measurements_file, out, "--measurements");
  }
}

void add_calibrate_options(CLI::App& command, CalibrateOptions& options) {
  command
      .add_option("--device", options.device,
                  "What to measure: cpu (this computer's) or cuda (its GPU); with --from the device that was "
                  "measured, e.g. h100-sxm")
      ->required()
      ->type_name("DEVICE");
  command
      .add_option("-o,--output-file", options.output_file,
                  "Write the machine, or with --from the profile, to this file")
      ->type_name("FILE");
  command.add_option("--seconds", options.seconds, "About how long to measure (default: 100 for cpu, 780 for cuda)")
      ->type_name("N");
  command.add_option("--threads", options.threads, "Threads to use, not for cuda (default: one for every core)")
      ->type_name("N");
  command
      .add_option("--measurements", options.measurements_file, "Also write every measured kernel time to this CSV file")
      ->type_name("FILE");
  command
      .add_option("--routing", options.routing,
                  "With --device cuda: measure experts also in this routing: zipf:EXPONENT or a JSON file with a "
                  "histogram or trace")
      ->type_name("ROUTING");
  command
      .add_option("--from", options.from,
                  "Fit a profile to the measurements in these files and folders (docs/measurements.md)")
      ->type_name("FILE|DIR...");
  command.add_option("--stack", options.stack, "With --from: software whose measurements to fit, e.g. vllm-0.24")
      ->type_name("NAME");
  command.add_option("--date", options.date, "Date that the profile bears (default: today)")->type_name("YYYY-MM-DD");
}

void calibrate(const CalibrateOptions& options, std::ostream& out, std::ostream& err) {
  if (options.seconds && (!(*options.seconds > 0) || *options.seconds > kMostSeconds)) {
    throw UserError(fmt::format("--seconds: {} is not above 0 and at most {}", *options.seconds, kMostSeconds));
  }
  const bool measures_gpu = options.from.empty() && options.device == "cuda";
  if (!options.routing.empty() && !measures_gpu) {
    throw UserError("--routing: is for measuring with --device cuda");
  }
  if (options.threads != 0 && measures_gpu) {
    throw UserError("--threads: is not for --device cuda");
  }
  if (options.output_file.empty() && measures_gpu) {
    throw UserError("-o: 'moesaic calibrate --device cuda' needs a file to write the machine to");
  }
  if (options.from.empty() && !options.stack.empty()) {
    throw UserError("--stack: fits measurements that are there; give their files or folders with --from");
  }
  // Before minutes of measuring.
  check_output("-o", options.output_file);
  check_output("--measurements", options.measurements_file);
  if (!options.from.empty()) {
    calibrate_from(options, out, err);
  } else if (options.device == "cpu") {
    calibrate_cpu(options, out, err);
  } else if (options.device == "cuda") {
    calibrate_cuda(options, out, err);
  } else {
    const std::string known[] = {"cpu", "cuda"};
    throw UserError(
        fmt::format("--device: unknown device '{}'{}", printable(options.device), suggest(options.device, known)));
  }
}

}  // namespace moesaic
