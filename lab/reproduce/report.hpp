// The output and the files of `reproduce`.
#pragma once

#include <filesystem>
#include <iosfwd>
#include <vector>

#include "lab/reproduce/experiment.hpp"

namespace reproduce {

/// Prints the paper's claim and number with the measured one, and "held", "NOT HELD" or "not judged".
void print(const Outcome& outcome, std::ostream& out);

/// Writes NAME.md and NAME.json in `folder`, and NAME.png and NAME.svg if there are charts.
void write_outcome(const Outcome& outcome, const std::filesystem::path& folder);

/// Writes report.html in `folder`, with all outcomes.
void write_report(const std::vector<Outcome>& outcomes, const std::string& command,
                  const std::filesystem::path& folder);

}  // namespace reproduce
