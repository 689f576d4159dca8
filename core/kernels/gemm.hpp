// Matrix products over row-major arrays. float32 runs on oneDNN and, where that is not at its best, on a
// loop of our own; float64 on a blocked loop of our own.
#pragma once

#include <cstdint>

#include "normgrad/core/base/simd.hpp"

namespace normgrad::kernels {

/// C [m, n] = alpha * op(A) [m, k] * op(B) [k, n] + beta * C. A is stored [m, k], or [k, m] when `transpose_a`; B is
/// stored [k, n], or [n, k] when `transpose_b`; lda, ldb, ldc are the distances of consecutive stored rows.
struct GemmShape {
  bool transpose_a = false;
  bool transpose_b = false;
  std::int64_t m = 0;
  std::int64_t n = 0;
  std::int64_t k = 0;
  std::int64_t lda = 0;
  std::int64_t ldb = 0;
  std::int64_t ldc = 0;

  /// Matrices without gaps between their rows.
  static GemmShape dense(bool transpose_a, bool transpose_b, std::int64_t m, std::int64_t n, std::int64_t k) noexcept {
    return {transpose_a, transpose_b, m, n, k, transpose_a ? m : k, transpose_b ? k : n, n};
  }
};

/// beta = 0 ignores what C holds. The same bits for any number of threads; k = 0 gives beta * C. T: float or double.
template <class T>
void gemm(const GemmShape& shape, T alpha, const T* a, const T* b, T beta, T* c);

/// C = op(A) op(B), plus `row` [n] on every row.
template <class T>
void gemm_plus_row(const GemmShape& shape, const T* a, const T* b, const T* row, T* c);

/// c[i] = op(a[a_offsets[i]]) * op(b[b_offsets[i]]) for i in [0, count); offsets in elements, results one after the
/// other.
template <class T>
void gemm_batched(const GemmShape& shape, std::int64_t count, const T* a, const std::int64_t* a_offsets, const T* b,
                  const std::int64_t* b_offsets, T* c);

// The blocked loop: A and B are copied in panels that stay in the caches, then multiplied in register tiles.
inline constexpr std::int64_t kGemmBlockM = 96;
inline constexpr std::int64_t kGemmBlockN = 256;
inline constexpr std::int64_t kGemmBlockK = 256;
/// Elements of scratch memory that gemm_blocked() needs; 64-byte aligned.
inline constexpr std::int64_t kGemmScratch = kGemmBlockK * (kGemmBlockM + kGemmBlockN);

NORMGRAD_SIMD_DECLARE(template <class T> void gemm_blocked(const GemmShape& shape, T alpha, const T* a, const T* b,
                                                           T beta, T* c, T* scratch);)

// The loop for small products: tiles of C in registers over panels of B that are copied, or dot products where both lie
// along the sum; A is read as it lies.
inline constexpr std::int64_t kGemmTilesDepth = 384;
inline constexpr std::int64_t kGemmTilesWidth = 64;
/// Floats of scratch memory that gemm_tiles() needs; 64-byte aligned.
inline constexpr std::int64_t kGemmTilesScratch = kGemmTilesDepth * kGemmTilesWidth;

/// What a product is added to: `scale` times element (i, j), which lies at from + i * step + j; nothing when null.
struct GemmAddend {
  const float* from = nullptr;
  std::int64_t step = 0;  ///< 0: the same row everywhere
  float scale = 1.0F;

  GemmAddend at(std::int64_t i, std::int64_t j) const noexcept {
    return {from == nullptr ? nullptr : from + i * step + j, step, scale};
  }
};

/// C = alpha * op(A) op(B) + added, which may be C itself.
NORMGRAD_SIMD_DECLARE(void gemm_tiles(const GemmShape& shape, float alpha, const float* a, const float* b,
                                      const GemmAddend& added, float* c, float* scratch);)

}  // namespace normgrad::kernels
