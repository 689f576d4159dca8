// Products of matrices stored contiguously along the summed axis: dot products in registers, without packing. AVX-512
// only, which has enough registers. For `*.simd.cpp` files only.
#pragma once

#include "normgrad/core/kernels/gemm/gemm.hpp"
#include "normgrad/core/simd/detail/batch.hpp"

#if defined(NORMGRAD_SIMD_avx512)

namespace normgrad::kernels::NORMGRAD_SIMD_NAMESPACE {

inline constexpr std::int64_t kDotRows = 6;        // rows of A per tile
inline constexpr std::int64_t kDotColumns = 4;     // rows of B per tile
inline constexpr std::int64_t kDotBlock = 1024;    // block of the summed axis: a tile's rows stay in the L1 cache
inline constexpr std::int64_t kShortestDot = 192;  // below this, summing the lanes costs more than packing
inline constexpr std::int64_t kDotCache = std::int64_t{1} << 17;  // floats of both matrices that stay cached

// Rows a multiple of 1 KB apart evict each other from the L1 cache. With few rows of A, however, copying all of B is
// not worthwhile, and few rows of B would not fill registers.
inline bool dots_pay(const GemmShape& s) {
  constexpr std::int64_t kFew = 8;
  return !s.transpose_a && s.transpose_b && s.k >= kShortestDot &&
         (s.m < kFew || s.n < kFew || (s.lda % 256 != 0 && s.ldb % 256 != 0));
}

// Sums of four vectors within every 128 bits, interleaved.
[[gnu::always_inline]] inline __m512 sums_in_quarters(__m512 v0, __m512 v1, __m512 v2, __m512 v3) {
  const __m512 v01 = _mm512_add_ps(_mm512_unpacklo_ps(v0, v1), _mm512_unpackhi_ps(v0, v1));
  const __m512 v23 = _mm512_add_ps(_mm512_unpacklo_ps(v2, v3), _mm512_unpackhi_ps(v2, v3));
  const __m512d a = _mm512_castps_pd(v01);
  const __m512d b = _mm512_castps_pd(v23);
  return _mm512_add_ps(_mm512_castpd_ps(_mm512_unpacklo_pd(a, b)), _mm512_castpd_ps(_mm512_unpackhi_pd(a, b)));
}

[[gnu::always_inline]] inline __m512 sums_of_pairs(__m512 a, __m512 b) {
  return _mm512_add_ps(_mm512_shuffle_f32x4(a, b, 0x88), _mm512_shuffle_f32x4(a, b, 0xDD));
}

// c = alpha * (dot products of R rows of A and C rows of B) + added.
template <std::int64_t R, std::int64_t C>
void dot_tile(std::int64_t depth, const float* a, std::int64_t lda, const float* b, std::int64_t ldb, float alpha,
              const GemmAddend<>& added, float* c, std::int64_t ldc) {
  __m512 sum[R][C];
#pragma GCC unroll 6
  for (std::int64_t i = 0; i < R; ++i) {
#pragma GCC unroll 4
    for (std::int64_t j = 0; j < C; ++j) {
      sum[i][j] = _mm512_setzero_ps();
    }
  }
  const auto step = [&](auto get, std::int64_t p) __attribute__((always_inline)) {
    __m512 y[C];
#pragma GCC unroll 4
    for (std::int64_t j = 0; j < C; ++j) {
      y[j] = get(b + j * ldb + p);
    }
#pragma GCC unroll 6
    for (std::int64_t i = 0; i < R; ++i) {
      const __m512 x = get(a + i * lda + p);
#pragma GCC unroll 4
      for (std::int64_t j = 0; j < C; ++j) {
        sum[i][j] = _mm512_fmadd_ps(x, y[j], sum[i][j]);
      }
    }
  };
  std::int64_t p = 0;
  for (; p + kLanes<float> <= depth; p += kLanes<float>) {
    step([](const float* from) { return _mm512_loadu_ps(from); }, p);
  }
  if (p < depth) {
    const auto kept = static_cast<__mmask16>((1U << (depth - p)) - 1U);
    step([kept](const float* from) { return _mm512_maskz_loadu_ps(kept, from); }, p);
  }
  const __m128i kept = _mm_cmpgt_epi32(_mm_set1_epi32(static_cast<int>(C)), _mm_setr_epi32(0, 1, 2, 3));
  const __m128 scale = _mm_set1_ps(alpha);
  const auto put = [&](std::int64_t i, __m128 value) __attribute__((always_inline)) {
    const __m128 more = added.from == nullptr ? _mm_setzero_ps() : _mm_maskload_ps(added.from + i * added.step, kept);
    _mm_maskstore_ps(c + i * ldc, kept, _mm_fmadd_ps(_mm_set1_ps(added.scale), more, _mm_mul_ps(scale, value)));
  };
  __m512 quarters[8];
#pragma GCC unroll 8
  for (std::int64_t i = 0; i < 8; ++i) {
    const std::int64_t r = i < R ? i : 0;
    quarters[i] = sums_in_quarters(sum[r][0], sum[r][C > 1 ? 1 : 0], sum[r][C > 2 ? 2 : 0], sum[r][C > 3 ? 3 : 0]);
  }
#pragma GCC unroll 2
  for (std::int64_t i = 0; i < R; i += 4) {
    const __m512 value =
        sums_of_pairs(sums_of_pairs(quarters[i], quarters[i + 1]), sums_of_pairs(quarters[i + 2], quarters[i + 3]));
    put(i, _mm512_castps512_ps128(value));
    if (i + 1 < R) {
      put(i + 1, _mm512_extractf32x4_ps(value, 1));
    }
    if (i + 2 < R) {
      put(i + 2, _mm512_extractf32x4_ps(value, 2));
    }
    if (i + 3 < R) {
      put(i + 3, _mm512_extractf32x4_ps(value, 3));
    }
  }
}

// Dispatches to the tile size of at most R rows and C columns.
template <std::int64_t R, std::int64_t C>
void dot_tile_of(std::int64_t rows, std::int64_t columns, std::int64_t depth, const float* a, std::int64_t lda,
                 const float* b, std::int64_t ldb, float alpha, const GemmAddend<>& added, float* c, std::int64_t ldc) {
  if constexpr (R > 1) {
    if (rows < R) {
      dot_tile_of<R - 1, C>(rows, columns, depth, a, lda, b, ldb, alpha, added, c, ldc);
      return;
    }
  }
  if constexpr (C > 1) {
    if (columns < C) {
      dot_tile_of<R, C - 1>(rows, columns, depth, a, lda, b, ldb, alpha, added, c, ldc);
      return;
    }
  }
  dot_tile<R, C>(depth, a, lda, b, ldb, alpha, added, c, ldc);
}

// C = alpha * A B^T + added for A [m, k] and B [n, k].
inline void gemm_dots(const GemmShape& s, float alpha, const float* a, const float* b, const GemmAddend<>& added,
                      float* c) {
  const auto smaller = [](std::int64_t x, std::int64_t y) { return x < y ? x : y; };
  for (std::int64_t p = 0; p < s.k; p += kDotBlock) {
    const std::int64_t depth = smaller(kDotBlock, s.k - p);
    const GemmAddend<> before = p == 0 ? added : GemmAddend<>{c, s.ldc, 1.0F};
    const auto tile = [&](std::int64_t i, std::int64_t j) {
      dot_tile_of<kDotRows, kDotColumns>(smaller(kDotRows, s.m - i), smaller(kDotColumns, s.n - j), depth,
                                         a + i * s.lda + p, s.lda, b + j * s.ldb + p, s.ldb, alpha, before.at(i, j),
                                         c + i * s.ldc + j, s.ldc);
    };
    // The larger matrix is read once, the smaller one stays cached. If both stay cached, the wider side of a tile
    // reduces the passes over the other matrix.
    if (s.m > s.n || (s.m + s.n) * depth <= kDotCache) {
      for (std::int64_t i = 0; i < s.m; i += kDotRows) {
        for (std::int64_t j = 0; j < s.n; j += kDotColumns) {
          tile(i, j);
        }
      }
    } else {
      for (std::int64_t j = 0; j < s.n; j += kDotColumns) {
        for (std::int64_t i = 0; i < s.m; i += kDotRows) {
          tile(i, j);
        }
      }
    }
  }
}

}  // namespace normgrad::kernels::NORMGRAD_SIMD_NAMESPACE

#endif
