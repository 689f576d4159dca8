// Running results along one axis: y[i] combines x[0], ..., x[i], or x[i], ..., x[n - 1] if `reverse`. Floating-point
// numbers are combined in double.
#pragma once

#include <cstdint>

#include "normgrad/core/kernels/order/axis_shape.hpp"

namespace normgrad::kernels {

/// logsumexp is for floating-point numbers only. Integers wrap around.
enum class ScanOp { sum, prod, logsumexp };

/// T: float, double or std::int64_t.
template <class T>
void scan(ScanOp op, bool reverse, const AxisShape& shape, const T* x, T* y);

/// y[i] = a[i] y[i - 1] + b[i] from y[0] = b[0]; or y[i] = a[i + 1] y[i + 1] + b[i] from the end if `reverse`. a[0] is
/// not used. T: float or double.
template <class T>
void linear_recurrence(bool reverse, const AxisShape& shape, const T* a, const T* b, T* y);

/// The position of the largest (smallest) element so far; the last one of equal elements, and NaN from the first NaN
/// on. T: float, double, std::int64_t or bool.
template <class T>
void running_extreme(bool largest, const AxisShape& shape, const T* x, std::int64_t* index);

}  // namespace normgrad::kernels
