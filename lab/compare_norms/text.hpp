// Number formatting for tables, results and the summary.
#pragma once

#include <string>

namespace compare_norms {

/// `value` with `digits` digits after the decimal point.
std::string fixed(double value, int digits);

}  // namespace compare_norms
