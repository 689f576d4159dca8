// Checks of the numbers on a command line, for programs that parse it with CLI11.
#pragma once

#include <CLI/CLI.hpp>

#include "lab/command_line.hpp"

namespace lab {

/// Refuses other text with "expected a number from 0 to 1 but got '2'".
CLI::Validator number_in(Range range);

/// As above, "expected a whole number above 0 but got '1.5'". CLI11's conversion alone takes 1e20 for the largest whole
/// number that there is, and 010 for 8. The largest that is accepted is 10^12, or less if the range ends before.
CLI::Validator whole_number_in(Range range);

}  // namespace lab
