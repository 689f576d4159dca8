// What `reproduce` prints and leaves behind.
#pragma once

#include <filesystem>
#include <iosfwd>
#include <vector>

#include "examples/reproduce/experiment.hpp"

namespace reproduce {

/// The paper's statement and number beside the measured one, and "held", "NOT HELD" or "not judged".
void print(const Outcome& outcome, std::ostream& out);

/// NAME.md, NAME.json, NAME.png and NAME.svg in `folder`.
void write_outcome(const Outcome& outcome, const std::filesystem::path& folder);

/// report.html in `folder`, of all outcomes.
void write_report(const std::vector<Outcome>& outcomes, const std::string& command,
                  const std::filesystem::path& folder);

}  // namespace reproduce
