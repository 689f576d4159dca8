// Products of matrices whose rows lie along the sum: dot products in registers, without any packing. AVX-512 only,
// where there are registers for it. For `*.simd.cpp` files only.
#pragma once

#include "normgrad/core/base/simd_batch.hpp"
#include "normgrad/core/kernels/gemm.hpp"

#if defined(NORMGRAD_SIMD_avx512)

namespace normgrad::kernels::NORMGRAD_SIMD_NAMESPACE {

inline constexpr std::int64_t kDotTile = 4;        // rows of A and of B
inline constexpr std::int64_t kDotBlock = 1024;    // of the sum, so that a tile's rows stay in the first-level cache
inline constexpr std::int64_t kShortestDot = 192;  // below, adding up the lanes costs more than packing

// Rows a multiple of 1 KB apart would push each other out of the first-level cache.
inline bool dots_pay(const GemmShape& s) {
  return !s.transpose_a && s.transpose_b && s.k >= kShortestDot && s.lda % 256 != 0 && s.ldb % 256 != 0;
}

// Sums of the lanes of 16 vectors: sum[i] of vector i.
[[gnu::always_inline]] inline __m512 sums_of_lanes(const Batch<float> (&v)[kDotTile][kDotTile]) {
  __m512 quarter[kDotTile];  // for each row, sums in every 128 bits of its four vectors
#pragma GCC unroll 4
  for (std::int64_t r = 0; r < kDotTile; ++r) {
    const __m512 v01 = _mm512_add_ps(_mm512_unpacklo_ps(v[r][0], v[r][1]), _mm512_unpackhi_ps(v[r][0], v[r][1]));
    const __m512 v23 = _mm512_add_ps(_mm512_unpacklo_ps(v[r][2], v[r][3]), _mm512_unpackhi_ps(v[r][2], v[r][3]));
    const __m512d a = _mm512_castps_pd(v01);
    const __m512d b = _mm512_castps_pd(v23);
    quarter[r] = _mm512_add_ps(_mm512_castpd_ps(_mm512_unpacklo_pd(a, b)), _mm512_castpd_ps(_mm512_unpackhi_pd(a, b)));
  }
  const auto pair = [](__m512 a, __m512 b) {
    return _mm512_add_ps(_mm512_shuffle_f32x4(a, b, 0x88), _mm512_shuffle_f32x4(a, b, 0xDD));
  };
  return pair(pair(quarter[0], quarter[1]), pair(quarter[2], quarter[3]));
}

// c = alpha * (dot products of 4 rows of A and 4 rows of B) + beta * c; rows beyond `rows` and `columns` repeat row 0
// and are not stored.
inline void dot_tile(std::int64_t depth, const float* a, std::int64_t lda, const float* b, std::int64_t ldb,
                     std::int64_t rows, std::int64_t columns, float alpha, float beta, float* c, std::int64_t ldc) {
  const std::int64_t x_step = rows == kDotTile ? lda : 0;
  const std::int64_t y_step = columns == kDotTile ? ldb : 0;
  const float* x[kDotTile] = {a, a + x_step, a + 2 * x_step, a + 3 * x_step};
  const float* y[kDotTile] = {b, b + y_step, b + 2 * y_step, b + 3 * y_step};
  for (std::int64_t i = 1; rows < kDotTile && i < rows; ++i) {
    x[i] = a + i * lda;
  }
  for (std::int64_t i = 1; columns < kDotTile && i < columns; ++i) {
    y[i] = b + i * ldb;
  }
  Batch<float> sum[kDotTile][kDotTile];
#pragma GCC unroll 4
  for (std::int64_t i = 0; i < kDotTile; ++i) {
#pragma GCC unroll 4
    for (std::int64_t j = 0; j < kDotTile; ++j) {
      sum[i][j] = Batch<float>(0.0F);
    }
  }
  const auto step = [&](auto get, std::int64_t p) __attribute__((always_inline)) {
    Batch<float> ys[kDotTile];
#pragma GCC unroll 4
    for (std::int64_t j = 0; j < kDotTile; ++j) {
      ys[j] = get(y[j] + p);
    }
#pragma GCC unroll 4
    for (std::int64_t i = 0; i < kDotTile; ++i) {
      const Batch<float> xi = get(x[i] + p);
#pragma GCC unroll 4
      for (std::int64_t j = 0; j < kDotTile; ++j) {
        sum[i][j] = muladd(xi, ys[j], sum[i][j]);
      }
    }
  };
  std::int64_t p = 0;
  for (; p + kLanes<float> <= depth; p += kLanes<float>) {
    step([](const float* from) { return load(from); }, p);
  }
  if (p < depth) {
    step([n = depth - p](const float* from) { return load_partial(from, n); }, p);
  }
  const __m512 value = _mm512_mul_ps(_mm512_set1_ps(alpha), sums_of_lanes(sum));
  const __m128 rows_of_value[kDotTile] = {_mm512_castps512_ps128(value), _mm512_extractf32x4_ps(value, 1),
                                          _mm512_extractf32x4_ps(value, 2), _mm512_extractf32x4_ps(value, 3)};
  const __m128i lanes = _mm_setr_epi32(0, 1, 2, 3);
  const __m128i kept = _mm_cmpgt_epi32(_mm_set1_epi32(static_cast<int>(columns)), lanes);
  for (std::int64_t i = 0; i < rows; ++i) {
    float* to = c + i * ldc;
    const __m128 before = beta == 0.0F ? _mm_setzero_ps() : _mm_maskload_ps(to, kept);
    _mm_maskstore_ps(to, kept, _mm_add_ps(rows_of_value[i], _mm_mul_ps(_mm_set1_ps(beta), before)));
  }
}

// C = alpha * A B^T + beta * C for A [m, k] and B [n, k].
inline void gemm_dots(const GemmShape& s, float alpha, const float* a, const float* b, float beta, float* c) {
  const auto smaller = [](std::int64_t x, std::int64_t y) { return x < y ? x : y; };
  for (std::int64_t p = 0; p < s.k; p += kDotBlock) {
    const std::int64_t depth = smaller(kDotBlock, s.k - p);
    const float keep = p == 0 ? beta : 1.0F;
    // The larger matrix comes by once, the smaller one stays in the caches.
    const bool a_outside = s.m > s.n;
    const std::int64_t outer = a_outside ? s.m : s.n;
    const std::int64_t inner = a_outside ? s.n : s.m;
    for (std::int64_t o = 0; o < outer; o += kDotTile) {
      for (std::int64_t q = 0; q < inner; q += kDotTile) {
        const std::int64_t i = a_outside ? o : q;
        const std::int64_t j = a_outside ? q : o;
        dot_tile(depth, a + i * s.lda + p, s.lda, b + j * s.ldb + p, s.ldb, smaller(kDotTile, s.m - i),
                 smaller(kDotTile, s.n - j), alpha, keep, c + i * s.ldc + j, s.ldc);
      }
    }
  }
}

}  // namespace normgrad::kernels::NORMGRAD_SIMD_NAMESPACE

#endif
