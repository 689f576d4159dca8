// Copies and sums along one axis by index. An array is viewed as [outer, rows, inner]; indices must be in range. Sums
// add their terms in the order of the indices, for any number of threads.
#pragma once

#include <cstddef>
#include <cstdint>

#include "normgrad/core/simd/dispatch.hpp"

namespace normgrad::kernels {

struct IndexShape {
  std::int64_t outer;  ///< product of the sizes before the axis
  std::int64_t rows;   ///< size of the axis of the indexed array
  std::int64_t inner;  ///< product of the sizes after the axis
  std::int64_t count;  ///< size of the axis of the other array
};

/// What the elements of an index are, for an axis of `size`.
struct IndexRange {
  bool valid;     ///< all in [-size, size)
  bool negative;  ///< at least one is negative
};
IndexRange index_range(const std::int64_t* index, std::int64_t n, std::int64_t size);
NORMGRAD_SIMD_DECLARE(IndexRange range_of_indices(const std::int64_t* index, std::int64_t n, std::int64_t size);)

/// y[o][i][:] = x[o][index[i]][:] for index: [count].
void index_select(const IndexShape& shape, const void* x, const std::int64_t* index, void* y, std::size_t element_size);
/// y[o][index[i]][:] += x[o][i][:] for index: [count].
template <class T>
void index_add(const IndexShape& shape, const T* x, const std::int64_t* index, T* y);
/// The same with y = 0 before, whatever it holds.
template <class T>
void index_sum(const IndexShape& shape, const T* x, const std::int64_t* index, T* y);
/// y[o][index[i]][:] = x[o][i][:] for index: [count]; of equal indices the last counts.
void index_copy(const IndexShape& shape, const void* x, const std::int64_t* index, void* y, std::size_t element_size);
/// y[o][i][k] = x[o][index[o][i][k]][k] for index: [outer, count, inner]. Indices are checked on the way: if the result
/// is not a range without negative and invalid ones, y has no meaning. The same for scatter_add.
IndexRange gather(const IndexShape& shape, const void* x, const std::int64_t* index, void* y, std::size_t element_size);
/// y[o][index[o][i][k]][k] += x[o][i][k] for index: [outer, count, inner].
template <class T>
IndexRange scatter_add(const IndexShape& shape, const T* x, const std::int64_t* index, T* y);
/// y[o][index[o][i][k]][k] = the larger (smaller, if `smallest`) of itself and x[o][i][k]; NaN counts as both.
template <class T>
void scatter_extreme(const IndexShape& shape, const T* x, const std::int64_t* index, T* y, bool smallest);

}  // namespace normgrad::kernels
