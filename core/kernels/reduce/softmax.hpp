// Softmax along one axis of x: [outer, n, inner], and its derivative.
#pragma once

#include <cstdint>

#include "normgrad/core/simd/dispatch.hpp"

namespace normgrad::kernels {

enum class SoftmaxOp { softmax, log_softmax };

// The row functions process rows of n contiguous elements, the column functions adjacent columns of n elements that are
// `stride` apart.
NORMGRAD_SIMD_DECLARE(template <class T>
                      void softmax_rows(SoftmaxOp op, const T* x, T* y, std::int64_t rows, std::int64_t n);
                      template <class T> void softmax_columns(SoftmaxOp op, const T* x, T* y, std::int64_t n,
                                                              std::int64_t columns, std::int64_t stride);
                      template <class T> void softmax_grad_rows(SoftmaxOp op, const T* y, const T* gy, T* gx,
                                                                std::int64_t rows, std::int64_t n);
                      template <class T>
                      void softmax_grad_columns(SoftmaxOp op, const T* y, const T* gy, T* gx, std::int64_t n,
                                                std::int64_t columns, std::int64_t stride);)

/// y = exp(x - m) / s or x - m - log(s), where m is the largest element of the column and s the sum of exp(x - m).
template <class T>
void softmax(SoftmaxOp op, const T* x, T* y, std::int64_t outer, std::int64_t n, std::int64_t inner);

/// softmax: gx = y * (gy - sum(gy * y)); log_softmax: gx = gy - exp(y) * sum(gy).
template <class T>
void softmax_grad(SoftmaxOp op, const T* y, const T* gy, T* gx, std::int64_t outer, std::int64_t n, std::int64_t inner);

}  // namespace normgrad::kernels
