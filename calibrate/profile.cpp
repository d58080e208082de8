#include "calibrate/profile.hpp"

#include <tbb/parallel_for.h>
#include <tbb/task_arena.h>

#include <algorithm>
#include <filesystem>
#include <optional>
#include <set>
#include <tuple>

#include "base/error.hpp"
#include "calibrate/profile_shelf.hpp"

namespace moesaic {
namespace {

/// Families whose kernels a shape tells apart: their rows are fitted together.
bool pools_kernels(Family family) {
  return family == Family::gemm || family == Family::attention_prefill || family == Family::attention_decode ||
         family == Family::mla_prefill || family == Family::mla_decode;
}

/// The rows behind one surface.
struct KernelRows {
  MeasurementKey key;
  std::vector<std::uint32_t> rows;
};

std::vector<KernelRows> group_rows(const Measurements& measurements, const std::vector<std::uint32_t>& rows) {
  std::map<MeasurementKey, std::vector<std::uint32_t>> grouped;
  for (const std::uint32_t row : rows) {
    MeasurementKey key = measurements.key_of(measurements.rows[row]);
    if (pools_kernels(key.family)) {
      key.kernel.clear();
    }
    grouped[key].push_back(row);
  }
  std::vector<KernelRows> result;
  result.reserve(grouped.size());
  for (auto& [key, of_key] : grouped) {
    result.push_back({key, std::move(of_key)});
  }
  return result;
}

KernelSurface fit_kernel(const Measurements& measurements, const KernelRows& kernel, const KernelMachine& machine,
                         const SurfaceOptions& options) {
  const MeasurementKey& key = kernel.key;
  const KernelSetting setting{key.family, kernel_formats(key.dtype, key.kv_dtype), key.kernel, machine};
  std::vector<KernelSample> samples;
  std::map<std::string, std::uint32_t> groups;
  for (const std::uint32_t index : kernel.rows) {
    const Measurement& row = measurements.rows[index];
    const auto group = groups.emplace(whole_shape(row, key.family), static_cast<std::uint32_t>(groups.size())).first;
    samples.push_back({row.shape, row.latency.value, group->second});
  }
  KernelSurface surface = fit_surface(setting, samples, options);
  surface.dtype = key.dtype;
  surface.kv_dtype = key.kv_dtype;
  surface.kernel = key.kernel;
  return surface;
}

Provenance provenance(const Measurements& measurements, const std::vector<std::uint32_t>& rows,
                      const std::string& date) {
  Provenance result{date, {}, {}};
  // A file and its folder say which measurements these are; where they lay on one computer does not matter.
  std::vector<std::string> origins;
  for (const std::string& file : measurements.files) {
    const std::filesystem::path path(file);
    origins.push_back((path.parent_path().filename() / path.filename()).string());
  }
  std::map<std::string, std::set<std::string>> shapes;
  for (const std::uint32_t index : rows) {
    const Measurement& row = measurements.rows[index];
    const Family family = measurements.key_of(row).family;
    ++result.files[origins[row.file]];
    shapes[std::string(name(family))].insert(whole_shape(row, family));
  }
  for (auto& [family, of_family] : shapes) {
    result.shapes[family].assign(of_family.begin(), of_family.end());
  }
  return result;
}

}  // namespace

const KernelSurface* Profile::find(Family family, std::string_view dtype, std::string_view kv_dtype,
                                   std::string_view kernel) const {
  const KernelSurface* best = nullptr;
  for (const KernelSurface& surface : surfaces) {
    if (surface.family != family || surface.dtype != dtype || surface.kv_dtype != kv_dtype) {
      continue;
    }
    if (surface.kernel == kernel) {
      return &surface;
    }
    // CUDA graphs are what engines decode with.
    const auto is_graph = [](const KernelSurface& s) { return s.kernel.find("graph") != std::string::npos; };
    if (best == nullptr || (is_graph(surface) != is_graph(*best) ? is_graph(surface) : surface.rows > best->rows)) {
      best = &surface;
    }
  }
  return best;
}

bool Profile::has_seen(Family family, const std::string& whole_shape) const {
  const auto found = provenance.shapes.find(std::string(moesaic::name(family)));
  return found != provenance.shapes.end() &&
         std::binary_search(found->second.begin(), found->second.end(), whole_shape);
}

Profile fit_profile(const Measurements& measurements, const std::vector<std::uint32_t>& rows, const Machine& machine,
                    const ProfileOptions& options) {
  MOESAIC_ASSERT(!rows.empty());
  const std::vector<KernelRows> kernels = group_rows(measurements, rows);
  const KernelMachine kernel_figures = machine_figures(machine);
  std::vector<std::optional<KernelSurface>> fitted(kernels.size());
  tbb::task_arena arena(options.threads > 0 ? options.threads : tbb::task_arena::automatic);
  arena.execute([&] {
    tbb::parallel_for(std::size_t{0}, kernels.size(), [&](std::size_t i) {
      fitted[i] = fit_kernel(measurements, kernels[i], kernel_figures, options.surface);
    });
  });
  Profile profile;
  profile.device = kernels.front().key.device;
  profile.stack = kernels.front().key.stack;
  for (auto& surface : fitted) {
    profile.surfaces.push_back(std::move(*surface));
  }
  profile.provenance = provenance(measurements, rows, options.date);
  return profile;
}

}  // namespace moesaic
