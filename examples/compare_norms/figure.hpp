// The figure of compare_norms, drawn by gnuplot.
#pragma once

#include <filesystem>

#include "examples/compare_norms/results.hpp"

namespace compare_norms {

/// Writes curves.gp, from which gnuplot draws curves.png and curves.svg: test accuracy and training loss against steps,
/// one row per model; with several seeds medians, and the range from lowest to highest in a lighter shade. False, with
/// a warning, when gnuplot is missing or fails; earlier figures are then removed, as they show something else.
bool draw_figure(const Report& report, const std::filesystem::path& folder);

}  // namespace compare_norms
