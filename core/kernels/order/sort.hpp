// Sorting along one axis. NaN counts as larger than all numbers, -0 and 0 as equal; equal elements keep their order. T:
// float, double, std::int64_t or bool.
#pragma once

#include <cstdint>

#include "normgrad/core/kernels/order/axis_shape.hpp"

namespace normgrad::kernels {

/// The positions of the elements in ascending or descending order. index has x's shape.
template <class T>
void argsort(bool descending, const AxisShape& shape, const T* x, std::int64_t* index);

/// The positions of the k largest (smallest) elements, from the largest (smallest) on, or in the order of the positions
/// unless `sorted`. index: [outer, k, inner].
template <class T>
void top(bool largest, bool sorted, std::int64_t k, const AxisShape& shape, const T* x, std::int64_t* index);

/// The position of the element that ascending order has at position k; or, if `nan_wins`, of the first NaN if there is
/// one. index: [outer, inner].
template <class T>
void nth(std::int64_t k, bool nan_wins, const AxisShape& shape, const T* x, std::int64_t* index);

/// Counts the runs of equal elements of x[order[0]], x[order[1]], ..., an order from argsort(). For each run, writes
/// the position of its first element and its length, and for each element the number of its run. NaNs are all
/// different.
template <class T>
std::int64_t find_runs(std::int64_t n, const T* x, const std::int64_t* order, std::int64_t* first, std::int64_t* length,
                       std::int64_t* run_of);

}  // namespace normgrad::kernels
