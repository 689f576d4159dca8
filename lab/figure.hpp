// Charts as images, drawn by gnuplot.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "lab/page.hpp"

namespace lab {

struct FigureOptions {
  int columns = 2;
  int most_rows = 12;                   ///< further charts are omitted, with a warning
  std::vector<std::string> names = {};  ///< names of series, in the order of their colors
};

/// Writes NAME.gp, from which gnuplot draws NAME.png and NAME.svg, with the charts row by row. If gnuplot is missing or
/// fails, logs a warning, removes earlier images because they are outdated, and returns false.
bool draw_figure(const std::vector<Chart>& charts, const std::filesystem::path& folder, const std::string& name,
                 const FigureOptions& options = {});

}  // namespace lab
