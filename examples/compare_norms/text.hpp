// Numbers as tables, results and the summary write them.
#pragma once

#include <string>

namespace compare_norms {

/// `value` with so many digits after the point.
std::string fixed(double value, int digits);

}  // namespace compare_norms
