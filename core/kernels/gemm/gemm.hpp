// Matrix products over row-major arrays, in the library's own loops. float32 products with a vector use oneDNN.
#pragma once

#include <algorithm>
#include <cstdint>

#include "normgrad/core/simd/dispatch.hpp"

namespace normgrad::kernels {

/// C [m, n] = alpha * op(A) [m, k] * op(B) [k, n] + beta * C. A is stored [m, k], or [k, m] if `transpose_a`; B is
/// stored [k, n], or [n, k] if `transpose_b`. lda, ldb and ldc are the distances between consecutive stored rows.
struct GemmShape {
  bool transpose_a = false;
  bool transpose_b = false;
  std::int64_t m = 0;
  std::int64_t n = 0;
  std::int64_t k = 0;
  std::int64_t lda = 0;
  std::int64_t ldb = 0;
  std::int64_t ldc = 0;

  /// Returns the shape of matrices without gaps between their rows.
  static GemmShape dense(bool transpose_a, bool transpose_b, std::int64_t m, std::int64_t n, std::int64_t k) noexcept {
    return {transpose_a, transpose_b, m, n, k, transpose_a ? m : k, transpose_b ? k : n, n};
  }
};

/// With beta = 0 the contents of C are ignored; k = 0 gives beta * C. The result is bitwise independent of the number
/// of threads. T: float or double.
template <class T>
void gemm(const GemmShape& shape, T alpha, const T* a, const T* b, T beta, T* c);

/// C = op(A) op(B), plus `row` [n] on every row.
template <class T>
void gemm_plus_row(const GemmShape& shape, const T* a, const T* b, const T* row, T* c);

/// c[i] = op(a[a_offsets[i]]) * op(b[b_offsets[i]]) for i in [0, count). Offsets are in elements; results are
/// consecutive.
template <class T>
void gemm_batched(const GemmShape& shape, std::int64_t count, const T* a, const std::int64_t* a_offsets, const T* b,
                  const std::int64_t* b_offsets, T* c);

/// The addend of a product: `scale` times element (i, j) at from + i * step + j; nothing if null.
template <class T = float>
struct GemmAddend {
  const T* from = nullptr;
  std::int64_t step = 0;  ///< 0: the same row for all i
  T scale = T(1);

  GemmAddend at(std::int64_t i, std::int64_t j) const noexcept {
    return {from == nullptr ? nullptr : from + i * step + j, step, scale};
  }
};

// Both loops below add the products of kGemmDepth steps of the summed axis one by one, starting at zero, and then add
// that sum to C. An element of C therefore has the same bits in both, in any tile, and on any cut of a product (only
// the dot products of gemm_tiles() sum in another order).
inline constexpr std::int64_t kGemmDepth = 384;

// The loop for large products: blocks of A and B are copied in the order in which register tiles read them.
inline constexpr std::int64_t kGemmBlockM = 960;
inline constexpr std::int64_t kGemmBlockN = 288;
/// Returns the elements of scratch memory for gemm_blocked() of this shape or a smaller one, 64-byte aligned.
constexpr std::int64_t gemm_scratch(std::int64_t m, std::int64_t n, std::int64_t k) noexcept {
  constexpr std::int64_t kWidest = 48;  // columns of a tile
  const std::int64_t columns = (std::min(n, kGemmBlockN) + kWidest - 1) / kWidest * kWidest;
  return std::min(k, kGemmDepth) * (std::min(m, kGemmBlockM) + columns);
}

/// C = alpha * op(A) op(B) + added. `added` may be C itself.
NORMGRAD_SIMD_DECLARE(template <class T> void gemm_blocked(const GemmShape& shape, T alpha, const T* a, const T* b,
                                                           const GemmAddend<T>& added, T* c, T* scratch);)

// The loop for small products: register tiles of C over copied panels of B, or dot products if both matrices are
// contiguous along the summed axis. A is not copied.
inline constexpr std::int64_t kGemmTilesWidth = 64;
/// Floats of scratch memory for gemm_tiles(), 64-byte aligned.
inline constexpr std::int64_t kGemmTilesScratch = kGemmDepth * kGemmTilesWidth;

/// C = alpha * op(A) op(B) + added. `added` may be C itself.
NORMGRAD_SIMD_DECLARE(void gemm_tiles(const GemmShape& shape, float alpha, const float* a, const float* b,
                                      const GemmAddend<>& added, float* c, float* scratch);)

}  // namespace normgrad::kernels
