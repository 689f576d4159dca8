#include "normgrad/core/kernels/reduce/vector_norm.hpp"

#include <cmath>
#include <vector>

#include "normgrad/core/base/parallel.hpp"

namespace normgrad::kernels {

namespace {

constexpr std::int64_t kVectorNormGrain = std::int64_t{1} << 15;

// Merges block(x, n) over blocks of kVectorNormGrain elements.
template <class T, class Block, class Merge>
double in_blocks(const T* x, std::int64_t n, Block block, Merge merge) {
  std::vector<double> blocks(static_cast<std::size_t>((n + kVectorNormGrain - 1) / kVectorNormGrain));
  parallel_for(n, kVectorNormGrain, [&](std::int64_t begin, std::int64_t end) {
    blocks[static_cast<std::size_t>(begin / kVectorNormGrain)] = block(x + begin, end - begin);
  });
  double total = 0.0;
  for (const double value : blocks) {
    total = merge(total, value);
  }
  return total;
}

template <class T>
double plain_block(const T* x, std::int64_t n, double power) {
  double total = 0.0;
  for (std::int64_t i = 0; i < n; ++i) {
    total += std::pow(std::fabs(static_cast<double>(x[i])), power);
  }
  return total;
}

}  // namespace

template <class T>
double power_sum(const T* x, std::int64_t n, double power) {
  const auto add = [](double a, double b) { return a + b; };
  const auto kind = [](PowerSum sum) {
    return
        [sum](const T* from, std::int64_t count) { return NORMGRAD_SIMD_SELECT(power_sum_block<T>)(sum, from, count); };
  };
  if (std::isinf(power)) {  // keeps a NaN on either side
    return in_blocks(x, n, kind(PowerSum::largest), [](double a, double b) { return a > b || std::isnan(a) ? a : b; });
  }
  if (power == 2.0) {
    return in_blocks(x, n, kind(PowerSum::squares), add);
  }
  if (power == 1.0) {
    return in_blocks(x, n, kind(PowerSum::magnitudes), add);
  }
  return in_blocks(
      x, n, [power](const T* from, std::int64_t count) { return plain_block(from, count, power); }, add);
}

template double power_sum<float>(const float*, std::int64_t, double);
template double power_sum<double>(const double*, std::int64_t, double);

}  // namespace normgrad::kernels
