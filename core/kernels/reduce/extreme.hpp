// Positions of the largest and smallest elements, and the gradients of maxima and minima.
#pragma once

#include <cstdint>

#include "normgrad/core/simd/dispatch.hpp"

namespace normgrad::kernels {

// T: float or double. arg_rows: y[r] is the position in row r of n elements. arg_columns: y[c] is that in the column
// x[c], x[c + stride], ... of n < 2^31 elements.
NORMGRAD_SIMD_DECLARE(template <class T>
                      void arg_rows(bool largest, const T* x, std::int64_t* y, std::int64_t rows, std::int64_t n);
                      template <class T> void arg_columns(bool largest, const T* x, std::int64_t* y, std::int64_t n,
                                                          std::int64_t columns, std::int64_t stride);
                      template <class T> void extreme_rows(bool largest, const T* x, T* y, std::int64_t* winner,
                                                           std::int64_t rows, std::int64_t n);
                      template <class T> void extreme_grad_rows(const T* x, const T* y, const std::int64_t* winner,
                                                                const T* gy, T* gx, std::int64_t rows, std::int64_t n);)

/// Returns the index of the first largest (smallest) of n elements for x: [outer, n, inner], y: [outer, inner]. NaN
/// counts as larger (smaller) than all numbers. T: float, double or std::int64_t.
template <class T>
void arg_reduce(bool largest, const T* x, std::int64_t* y, std::int64_t outer, std::int64_t n, std::int64_t inner);

/// y[r] = the largest (smallest) element of row r, NaN if there is one. winner[r] is its position, or -1 if several
/// elements equal it or it is NaN. x: [rows, n] with n > 0. T: float or double.
template <class T>
void extremes(bool largest, const T* x, T* y, std::int64_t* winner, std::int64_t rows, std::int64_t n);

/// gx[r][i] = gy[r] / m where x[r][i] == y[r], elsewhere 0, with m the number of such elements of a row; NaN if there
/// are none, because y[r] is NaN. y and winner are results of extremes().
template <class T>
void extreme_grad(const T* x, const T* y, const std::int64_t* winner, const T* gy, T* gx, std::int64_t rows,
                  std::int64_t n);

}  // namespace normgrad::kernels
