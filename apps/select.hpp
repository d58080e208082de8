// Which measurements a user means: where they lie, and patterns of device and stack.
#pragma once

#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

#include "calibrate/measurement.hpp"

namespace moesaic {

/// Measured kernels that are there without asking: measured/operator in $MOESAIC_DATA, else in the data folder beside
/// the source tree. Throws UserError saying what to give.
std::filesystem::path default_operator_data();

/// Whether `text` has the pattern as a part, whatever the case; with a '*', which stands for any text, it is the whole.
bool matches(std::string_view text, std::string_view pattern);

/// What to keep of measurements. Empty: all.
struct Selection {
  std::string device, stack;  ///< patterns
  std::vector<Family> families;
};
/// Throws UserError naming what there is if nothing is left. `measurements` keep their keys and files.
void select(Measurements& measurements, const Selection& selection);

/// The device of the measurements that a user means by its name or a part of it. Throws UserError.
std::string find_device(const Measurements& measurements, const std::string& option, const std::string& typed);

}  // namespace moesaic
