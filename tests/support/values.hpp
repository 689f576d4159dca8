// Values for tests, independent of the library's own creation functions.
#pragma once

#include <algorithm>
#include <cstdint>
#include <limits>
#include <random>
#include <vector>

#include "normgrad/core/autograd/tensor.hpp"

namespace normgrad::tests {

using Numbers = std::vector<double>;

constexpr double kInf = std::numeric_limits<double>::infinity();
constexpr double kNan = std::numeric_limits<double>::quiet_NaN();

inline Numbers numbers(const Tensor& x) { return x.to_vector<double>(); }

template <class T>
std::vector<T> random_values(std::int64_t n, std::uint32_t seed) {
  std::mt19937 engine(seed);
  std::normal_distribution<double> normal;
  std::vector<T> values(static_cast<std::size_t>(n));
  for (T& v : values) {
    v = static_cast<T>(normal(engine));
  }
  return values;
}

/// Normally distributed values; float32 and float64 tensors of the same seed hold the same numbers up to rounding.
inline Tensor random_tensor(const Shape& shape, DType dtype, std::uint32_t seed) {
  Tensor x = Tensor::empty(shape, dtype);
  dispatch_float("random_tensor", dtype, [&](auto zero) {
    using T = decltype(zero);
    const std::vector<T> values = random_values<T>(shape.numel(), seed);
    std::copy(values.begin(), values.end(), x.mutable_data<T>());
  });
  return x;
}
inline Tensor normal(const Shape& shape, std::uint32_t seed) { return random_tensor(shape, kFloat64, seed); }

}  // namespace normgrad::tests
