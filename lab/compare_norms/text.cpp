#include "lab/compare_norms/text.hpp"

#include <iomanip>
#include <sstream>

namespace compare_norms {

std::string fixed(double value, int digits) {
  std::ostringstream out;
  out << std::fixed << std::setprecision(digits) << value;
  return out.str();
}

}  // namespace compare_norms
