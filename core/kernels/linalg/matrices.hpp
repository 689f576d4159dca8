// What the kernels over batches of matrices share. Internal to this folder.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <vector>

#include "normgrad/core/base/detail/one_openmp_thread.hpp"
#include "normgrad/core/base/parallel.hpp"
#include "normgrad/core/kernels/linalg/linalg.hpp"
#include "normgrad/core/kernels/linalg/one_thread.hpp"

namespace normgrad::kernels {

/// y[j][i] = x[i][j] for a matrix x of the given size: row-major to column-major, or back with the sizes exchanged.
template <class T>
void transpose_matrix(std::int64_t rows, std::int64_t columns, const T* x, T* y) {
  constexpr std::int64_t kTile = 16;
  for (std::int64_t i0 = 0; i0 < rows; i0 += kTile) {
    for (std::int64_t j0 = 0; j0 < columns; j0 += kTile) {
      for (std::int64_t i = i0; i < std::min(i0 + kTile, rows); ++i) {
        for (std::int64_t j = j0; j < std::min(j0 + kTile, columns); ++j) {
          y[j * rows + i] = x[i * columns + j];
        }
      }
    }
  }
}

template <class T>
bool all_finite(std::int64_t n, const T* x) {
  return std::all_of(x, x + n, [](T value) { return std::isfinite(value); });
}

/// Calls `f(i)`, which returns LAPACK's info, for each matrix of the batch, on several threads. `flops` are those of
/// one matrix.
template <class F>
Failure for_each_matrix(std::int64_t batch, double flops, F f) {
  const OneThreadedLapack guard;
  std::vector<int> infos(static_cast<std::size_t>(batch));
  const auto grain = static_cast<std::int64_t>(std::clamp(1e5 / std::max(flops, 1.0), 1.0, 1e5));
  parallel_for(batch, grain, [&](std::int64_t begin, std::int64_t end) {
    const detail::OneOpenMpThread alone;
    for (std::int64_t i = begin; i < end; ++i) {
      infos[static_cast<std::size_t>(i)] = f(i);
    }
  });
  const auto failed = std::find_if(infos.begin(), infos.end(), [](int info) { return info != 0; });
  return failed == infos.end() ? Failure{} : Failure{failed - infos.begin(), *failed};
}

/// n elements, at least one: LAPACK wants an address also where it reads nothing.
template <class T>
std::vector<T> room(std::int64_t n) {
  return std::vector<T>(static_cast<std::size_t>(std::max<std::int64_t>(n, 1)));
}

}  // namespace normgrad::kernels
