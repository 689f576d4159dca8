// Shared code of the forward and backward of rows. Only for rows_*.simd.cpp.
#pragma once

#include "normgrad/core/kernels/norm/moments_simd.hpp"
#include "normgrad/core/kernels/norm/plan.hpp"

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

// One parameter per element: calls f(gamma, beta) with parameter sources of the matching type.
template <class T, class F>
void with_params(const T* gamma, const T* beta, std::int64_t offset, const F& f) {
  if (gamma == nullptr) {
    beta == nullptr ? f(Uniform{1.0}, Uniform{0.0}) : f(Uniform{1.0}, PerElement<T>{beta + offset});
  } else if (beta == nullptr) {
    f(PerElement<T>{gamma + offset}, Uniform{0.0});
  } else {
    f(PerElement<T>{gamma + offset}, PerElement<T>{beta + offset});
  }
}

}  // namespace normgrad::kernels::NORMGRAD_SIMD_NAMESPACE
