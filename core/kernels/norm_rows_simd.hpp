// What the forward and the backward of rows share. For norm_rows_*.simd.cpp only.
#pragma once

#include "normgrad/core/kernels/norm.hpp"
#include "normgrad/core/kernels/norm_simd.hpp"

namespace normgrad::kernels::NORMGRAD_SIMD_NAMESPACE {

static_assert(kWide <= kMostLanes);

// How far ahead of a row to fetch, that is the row to come `rows` later, while the results of one are on their way to
// memory; 0: the last cache has what comes, or the second one has no room for it.
template <class T>
std::int64_t fetch_ahead(const RowGeometry& g, std::int64_t rows) {
  constexpr std::int64_t kFar = std::int64_t{1} << 23;
  constexpr std::int64_t kRoom = std::int64_t{1} << 17;
  constexpr auto size = static_cast<std::int64_t>(sizeof(T));
  const std::int64_t ahead = rows * g.length();
  return g.rows * g.length() * size >= kFar && ahead * size <= kRoom ? ahead : 0;
}

// One parameter per element: calls f(gamma, beta) with sources of the right kind.
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
