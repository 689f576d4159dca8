#include "normgrad/optim/detail/line_search.hpp"

#include <algorithm>
#include <array>
#include <cmath>
#include <optional>
#include <utility>

#include "normgrad/core/base/parallel.hpp"

namespace normgrad::detail {

namespace {

constexpr std::int64_t kDotBlock = 1 << 14;
constexpr double kSufficientDecrease = 1e-4;
constexpr double kCurvature = 0.9;
constexpr double kMinChange = 1e-9;
constexpr int kMaxEvaluations = 25;

/// The minimum of the cubic through two points with their slopes, within bounds.
double cubic_minimum(const LinePoint& a, const LinePoint& b, double low, double high) {
  const double d1 = a.slope + b.slope - 3.0 * (a.loss - b.loss) / (a.t - b.t);
  const double square = d1 * d1 - a.slope * b.slope;
  if (!(square >= 0.0)) {
    return (low + high) / 2.0;
  }
  const double d2 = std::sqrt(square);
  const double minimum = a.t <= b.t ? b.t - (b.t - a.t) * ((b.slope + d2 - d1) / (b.slope - a.slope + 2.0 * d2))
                                    : a.t - (a.t - b.t) * ((a.slope + d2 - d1) / (a.slope - b.slope + 2.0 * d2));
  return std::min(std::max(minimum, low), high);
}

}  // namespace

double dot(const FlatVector& a, const FlatVector& b) {
  const auto n = static_cast<std::int64_t>(a.size());
  std::vector<double> parts(static_cast<std::size_t>((n + kDotBlock - 1) / kDotBlock));
  parallel_for(n, kDotBlock, [&](std::int64_t begin, std::int64_t end) {
    std::array<double, 8> sums = {};  // independent, so that they are computed at the same time
    std::int64_t i = begin;
    for (; i + 8 <= end; i += 8) {
      for (std::size_t k = 0; k < 8; ++k) {
        sums[k] += a[static_cast<std::size_t>(i) + k] * b[static_cast<std::size_t>(i) + k];
      }
    }
    double sum = 0.0;
    for (; i < end; ++i) {
      sum += a[static_cast<std::size_t>(i)] * b[static_cast<std::size_t>(i)];
    }
    for (const double part : sums) {
      sum += part;
    }
    parts[static_cast<std::size_t>(begin / kDotBlock)] = sum;
  });
  double sum = 0.0;
  for (const double part : parts) {
    sum += part;
  }
  return sum;
}

void add_scaled(FlatVector& a, double factor, const FlatVector& b) {
  parallel_for(static_cast<std::int64_t>(a.size()), kDotBlock, [&](std::int64_t begin, std::int64_t end) {
    for (auto i = static_cast<std::size_t>(begin); i < static_cast<std::size_t>(end); ++i) {
      a[i] += factor * b[i];
    }
  });
}

double largest_magnitude(const FlatVector& a) {
  double largest = 0.0;
  for (const double value : a) {
    largest = std::fabs(value) > largest || std::isnan(value) ? std::fabs(value) : largest;
    if (std::isnan(largest)) {
      break;
    }
  }
  return largest;
}

LineSearchResult strong_wolfe(const std::function<LinePoint(double t)>& evaluate, const LinePoint& start, double t,
                              double largest_of_d) {
  // A loss that is NaN is too high, so that the step becomes shorter.
  const auto too_high = [&](const LinePoint& p) {
    return !(p.loss <= start.loss + kSufficientDecrease * p.t * start.slope);
  };
  const auto flat_enough = [&](const LinePoint& p) { return std::fabs(p.slope) <= -kCurvature * start.slope; };
  LinePoint now = evaluate(t);
  int evaluations = 1;
  LinePoint previous = start;
  // First, longer steps until two of them enclose a minimum.
  std::optional<std::pair<LinePoint, LinePoint>> bracket;
  int iteration = 0;
  for (; iteration < kMaxEvaluations; ++iteration) {
    if (too_high(now) || (iteration > 1 && now.loss >= previous.loss)) {
      bracket.emplace(previous, now);
      break;
    }
    if (flat_enough(now)) {
      return {std::move(now), evaluations};
    }
    if (now.slope >= 0.0) {
      bracket.emplace(previous, now);
      break;
    }
    const double next = cubic_minimum(previous, now, now.t + 0.01 * (now.t - previous.t), now.t * 10.0);
    previous = std::move(now);
    now = evaluate(next);
    ++evaluations;
  }
  if (!bracket) {
    bracket.emplace(start, now);
  }
  // Then shorter intervals. `low` is the end with the lower loss.
  bool low_is_first = bracket->first.loss <= bracket->second.loss;
  bool insufficient = false;  // the last point was close to an end
  while (iteration < kMaxEvaluations) {
    LinePoint& low = low_is_first ? bracket->first : bracket->second;
    LinePoint& high = low_is_first ? bracket->second : bracket->first;
    const double left = std::min(low.t, high.t);
    const double right = std::max(low.t, high.t);
    if ((right - left) * largest_of_d < kMinChange) {
      break;
    }
    double next = cubic_minimum(bracket->first, bracket->second, left, right);
    const double margin = 0.1 * (right - left);
    if (std::min(right - next, next - left) < margin) {
      if (insufficient || next >= right || next <= left) {
        next = std::fabs(next - right) < std::fabs(next - left) ? right - margin : left + margin;
        insufficient = false;
      } else {
        insufficient = true;
      }
    } else {
      insufficient = false;
    }
    now = evaluate(next);
    ++evaluations;
    ++iteration;
    if (too_high(now) || now.loss >= low.loss) {
      high = std::move(now);
      low_is_first = bracket->first.loss <= bracket->second.loss;
      continue;
    }
    if (flat_enough(now)) {
      return {std::move(now), evaluations};
    }
    if (now.slope * (high.t - low.t) >= 0.0) {
      high = low;
    }
    low = std::move(now);
  }
  return {low_is_first ? std::move(bracket->first) : std::move(bracket->second), evaluations};
}

}  // namespace normgrad::detail
