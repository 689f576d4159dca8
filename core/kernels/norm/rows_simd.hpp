// Shared code of the forward and backward of rows. Only for rows_*.simd.cpp.
#pragma once

#include "normgrad/core/kernels/norm/moments_simd.hpp"
#include "normgrad/core/kernels/norm/norm.hpp"

namespace normgrad::kernels::NORMGRAD_SIMD_NAMESPACE {

static_assert(kAccumulatorLanes <= kMaxLanes);

// The prefetch distance in elements: the row `rows` later is fetched while results are being written. 0 if the
// last-level cache already holds the input, or the level 2 cache has no room for it.
template <class T>
std::int64_t fetch_ahead(const RowGeometry& g, std::int64_t rows) {
  constexpr std::int64_t kFar = std::int64_t{1} << 23;
  constexpr std::int64_t kRoom = std::int64_t{1} << 17;
  constexpr auto size = static_cast<std::int64_t>(sizeof(T));
  const std::int64_t ahead = rows * g.length();
  return g.rows * g.length() * size >= kFar && ahead * size <= kRoom ? ahead : 0;
}

// A parameter per element; `missing` if p is null.
template <class T>
struct OptionalElement {
  const T* p;
  double missing;
  OptionalElement of_segment(std::int64_t) const { return *this; }
  template <class V>
  V at(std::int64_t j) const {
    return p == nullptr ? number<V>(missing) : load_as<V>(p + j);
  }
};

// One parameter per element: calls f(gamma, beta) with parameter sources of the matching type.
template <class T, class F>
void with_params(const T* gamma, const T* beta, std::int64_t offset, const F& f) {
  if (gamma == nullptr) {
    f(Uniform{1.0}, OptionalElement<T>{from(beta, offset), 0.0});
  } else if (beta == nullptr) {
    f(PerElement<T>{gamma + offset}, Uniform{0.0});
  } else {
    f(PerElement<T>{gamma + offset}, PerElement<T>{beta + offset});
  }
}
// The same in a backward, where only an activation needs beta.
template <class T, class F>
void with_backward_params(const NoActivation&, const T* gamma, const T*, std::int64_t offset, const F& f) {
  f(OptionalElement<T>{from(gamma, offset), 1.0}, Uniform{0.0});
}
template <class T, class R, class F>
void with_backward_params(const Rectified<T, R>&, const T* gamma, const T* beta, std::int64_t offset, const F& f) {
  f(OptionalElement<T>{from(gamma, offset), 1.0}, OptionalElement<T>{from(beta, offset), 0.0});
}

}  // namespace normgrad::kernels::NORMGRAD_SIMD_NAMESPACE
