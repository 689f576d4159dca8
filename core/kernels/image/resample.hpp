// Linear maps along one axis with few terms per element: interpolation. An array is viewed as [outer, axis, inner].
#pragma once

#include <cstdint>
#include <vector>

namespace normgrad::kernels {

/// y[j] = the sum of weight[t] x[index[t]] over start[j] <= t < start[j + 1].
struct Taps {
  std::int64_t length = 0;  ///< size of the axis of x
  std::vector<std::int64_t> start = {0};
  std::vector<std::int64_t> index = {};
  std::vector<double> weight = {};

  std::int64_t count() const noexcept { return static_cast<std::int64_t>(start.size()) - 1; }  ///< size of y's axis
  /// Adds a term to the element that is being built, and finishes it.
  void add(std::int64_t i, double w) {
    index.push_back(i);
    weight.push_back(w);
  }
  void finish() { start.push_back(static_cast<std::int64_t>(index.size())); }
  /// The adjoint map, whose terms are in the order of their elements.
  Taps transposed() const;
};

/// Sums in double, in the order of the terms. T: float or double.
template <class T>
void resample(const Taps& taps, std::int64_t outer, std::int64_t inner, const T* x, T* y);

}  // namespace normgrad::kernels
