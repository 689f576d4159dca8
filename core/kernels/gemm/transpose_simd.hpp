// Copies of rows as columns, for packing matrices. For `*.simd.cpp` files only.
#pragma once

#include <cstdint>

#include "normgrad/core/simd/detail/batch.hpp"

namespace normgrad::kernels::NORMGRAD_SIMD_NAMESPACE {

// to[j * to_step + i] = from[i * from_step + j] for 4 x 4 elements.
#if defined(__SSE__)
inline void transpose_4x4(const float* from, std::int64_t from_step, float* to, std::int64_t to_step) {
  __m128 r0 = _mm_loadu_ps(from);
  __m128 r1 = _mm_loadu_ps(from + from_step);
  __m128 r2 = _mm_loadu_ps(from + 2 * from_step);
  __m128 r3 = _mm_loadu_ps(from + 3 * from_step);
  _MM_TRANSPOSE4_PS(r0, r1, r2, r3);
  _mm_storeu_ps(to, r0);
  _mm_storeu_ps(to + to_step, r1);
  _mm_storeu_ps(to + 2 * to_step, r2);
  _mm_storeu_ps(to + 3 * to_step, r3);
}
#elif defined(NORMGRAD_SIMD_neon)
inline void transpose_4x4(const float* from, std::int64_t from_step, float* to, std::int64_t to_step) {
  const float32x4_t r0 = vld1q_f32(from);
  const float32x4_t r1 = vld1q_f32(from + from_step);
  const float32x4_t r2 = vld1q_f32(from + 2 * from_step);
  const float32x4_t r3 = vld1q_f32(from + 3 * from_step);
  // Rows 0 and 1, and rows 2 and 3, in columns 0 and 2 (even) and in columns 1 and 3 (odd).
  const float64x2_t even01 = vreinterpretq_f64_f32(vtrn1q_f32(r0, r1));
  const float64x2_t even23 = vreinterpretq_f64_f32(vtrn1q_f32(r2, r3));
  const float64x2_t odd01 = vreinterpretq_f64_f32(vtrn2q_f32(r0, r1));
  const float64x2_t odd23 = vreinterpretq_f64_f32(vtrn2q_f32(r2, r3));
  vst1q_f32(to, vreinterpretq_f32_f64(vtrn1q_f64(even01, even23)));
  vst1q_f32(to + to_step, vreinterpretq_f32_f64(vtrn1q_f64(odd01, odd23)));
  vst1q_f32(to + 2 * to_step, vreinterpretq_f32_f64(vtrn2q_f64(even01, even23)));
  vst1q_f32(to + 3 * to_step, vreinterpretq_f32_f64(vtrn2q_f64(odd01, odd23)));
}
#endif
template <class T>
void transpose_4x4(const T* from, std::int64_t from_step, T* to, std::int64_t to_step) {
  for (std::int64_t i = 0; i < 4; ++i) {
    for (std::int64_t j = 0; j < 4; ++j) {
      to[j * to_step + i] = from[i * from_step + j];
    }
  }
}

// to[p * to_step + i] = from[i * from_step + p] for 4 rows of `length` elements.
template <class T>
void transpose_rows(const T* from, std::int64_t from_step, std::int64_t length, T* to, std::int64_t to_step) {
  std::int64_t p = 0;
  for (; p + 4 <= length; p += 4) {
    transpose_4x4(from + p, from_step, to + p * to_step, to_step);
  }
  for (; p < length; ++p) {
    for (std::int64_t i = 0; i < 4; ++i) {
      to[p * to_step + i] = from[i * from_step + p];
    }
  }
}

}  // namespace normgrad::kernels::NORMGRAD_SIMD_NAMESPACE
