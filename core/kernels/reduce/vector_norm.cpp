#include "normgrad/core/kernels/reduce/vector_norm.hpp"

#include <array>
#include <cmath>
#include <vector>

#include "normgrad/core/base/parallel.hpp"

namespace normgrad::kernels {

namespace {

constexpr std::int64_t kVectorNormGrain = std::int64_t{1} << 15;
constexpr std::int64_t kLanes = 8;  // parallel sums, so that no addition waits for the previous one

double add(double sum, double value) { return sum + value; }
// Keeps a NaN on either side.
double larger(double a, double b) { return a > b || std::isnan(a) ? a : b; }

template <class T, class Term, class Merge>
double block(const T* x, std::int64_t n, Term term, Merge merge) {
  std::array<double, kLanes> lanes{};
  std::int64_t i = 0;
  for (; i + kLanes <= n; i += kLanes) {
    for (std::int64_t j = 0; j < kLanes; ++j) {
      const auto lane = static_cast<std::size_t>(j);
      lanes[lane] = merge(lanes[lane], term(static_cast<double>(x[i + j])));
    }
  }
  for (; i < n; ++i) {
    lanes[0] = merge(lanes[0], term(static_cast<double>(x[i])));
  }
  double total = 0.0;
  for (const double lane : lanes) {
    total = merge(total, lane);
  }
  return total;
}

template <class T, class Term, class Merge>
double reduce(const T* x, std::int64_t n, Term term, Merge merge) {
  std::vector<double> blocks(static_cast<std::size_t>((n + kVectorNormGrain - 1) / kVectorNormGrain));
  parallel_for(n, kVectorNormGrain, [&](std::int64_t begin, std::int64_t end) {
    blocks[static_cast<std::size_t>(begin / kVectorNormGrain)] = block(x + begin, end - begin, term, merge);
  });
  double total = 0.0;
  for (const double value : blocks) {
    total = merge(total, value);
  }
  return total;
}

}  // namespace

template <class T>
double power_sum(const T* x, std::int64_t n, double power) {
  if (std::isinf(power)) {
    return reduce(
        x, n, [](double v) { return std::fabs(v); }, larger);
  }
  if (power == 2.0) {
    return reduce(
        x, n, [](double v) { return v * v; }, add);
  }
  if (power == 1.0) {
    return reduce(
        x, n, [](double v) { return std::fabs(v); }, add);
  }
  return reduce(
      x, n, [power](double v) { return std::pow(std::fabs(v), power); }, add);
}

template double power_sum<float>(const float*, std::int64_t, double);
template double power_sum<double>(const double*, std::int64_t, double);

}  // namespace normgrad::kernels
