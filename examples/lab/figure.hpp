// Charts as pictures, drawn by gnuplot.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "examples/lab/page.hpp"

namespace lab {

struct FigureOptions {
  int columns = 2;
  int most_rows = 12;                   ///< further charts are left out, with a warning
  std::vector<std::string> names = {};  ///< of series, in the order of their colours
};

/// Writes NAME.gp, from which gnuplot draws NAME.png and NAME.svg: the charts row by row. False, with a warning, when
/// gnuplot is missing or fails; earlier pictures are then removed, as they show something else.
bool draw_figure(const std::vector<Chart>& charts, const std::filesystem::path& folder, const std::string& name,
                 const FigureOptions& options = {});

}  // namespace lab
