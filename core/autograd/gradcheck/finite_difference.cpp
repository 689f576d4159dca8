#include "normgrad/core/autograd/gradcheck/finite_difference.hpp"

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>

namespace normgrad::detail {

namespace {

constexpr int kMaxSteps = 14;
constexpr int kMinSteps = 3;
constexpr double kEps = std::numeric_limits<double>::epsilon();

bool bend_stays(double before, double after) { return std::abs(after - before) < 0.3 * std::abs(after); }

// True when the bends of the last three steps agree and are not small.
bool is_kink(const std::array<double, kMaxSteps>& bends, int rows, const Difference& last, double h) {
  const auto at = [&](int back) { return bends[static_cast<std::size_t>(rows - back)]; };
  const double floor = 1e-5 * last.variation + 1e3 * kEps * last.magnitude / h;
  return std::abs(at(1)) > floor && bend_stays(at(2), at(1)) && bend_stays(at(3), at(2));
}

}  // namespace

Derivative differentiate(const std::function<Difference(double h)>& at, double first_step) {
  std::array<std::array<double, kMaxSteps>, kMaxSteps> table{};  // table[k][j]: j-th extrapolation of step k
  std::array<double, kMaxSteps> bends{};
  Derivative best;
  best.uncertainty = std::numeric_limits<double>::infinity();
  int rows = 0;
  double h = first_step;
  for (int tries = 0; tries < kMaxSteps; ++tries, h /= 2) {
    const Difference now = at(h);
    if (!now.finite) {
      rows = 0;  // a pole within this step: discard the larger steps
      continue;
    }
    const auto k = static_cast<std::size_t>(rows++);
    bends[k] = now.bend;
    best.bend = now.bend;
    best.smallest_h = h;
    table[k][0] = now.slope;
    if (k == 0 && !best.finite) {
      best.value = now.slope;
      best.step = h;
      best.finite = true;
    }
    best.variation = std::max(best.variation, now.variation);
    best.magnitude = std::max(best.magnitude, now.magnitude);
    double factor = 1.0;
    for (std::size_t j = 1; j <= k; ++j) {
      factor *= 4.0;
      table[k][j] = (factor * table[k][j - 1] - table[k - 1][j - 1]) / (factor - 1.0);
      const double spread =
          std::max(std::abs(table[k][j] - table[k][j - 1]), std::abs(table[k][j] - table[k - 1][j - 1]));
      if (spread <= best.uncertainty) {
        best.value = table[k][j];
        best.uncertainty = spread;
        best.roundoff = 16.0 * kEps * now.magnitude / h;
        best.step = h;
      }
    }
    if (rows >= kMinSteps) {
      best.kink = is_kink(bends, rows, now, h);
      if (best.uncertainty <= 1e-10 * std::abs(best.value) + 1e-11 * now.variation + best.roundoff / 2) {
        best.settled = true;
        break;
      }
    }
  }
  return best;
}

}  // namespace normgrad::detail
