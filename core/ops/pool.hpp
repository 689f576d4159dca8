// Pooling; differentiable to any order. x: [N, C, spatial...] or without the batch axis.
//
// Each spatial axis of the result has floor((size + 2 padding - dilation (kernel - 1) - 1) / stride) + 1 elements
// (PyTorch's ceil_mode = false). Throws ShapeError where rank or window do not fit, ValueError for padding of more than
// half of the window.
#pragma once

#include <optional>

#include "normgrad/core/autograd/tensor.hpp"
#include "normgrad/core/ops/per_axis.hpp"

namespace normgrad {

/// Options of max pooling; names and defaults are PyTorch's.
struct MaxPoolOptions {
  std::optional<PerAxis> stride = {};  ///< the window's size unless given
  PerAxis padding = 0;                 ///< with minus infinity
  PerAxis dilation = 1;                ///< from one element of the window to the next
};

/// The largest element of each window; the first of equal ones takes the gradient.
Tensor max_pool1d(const Tensor& x, const PerAxis& kernel_size, const MaxPoolOptions& options = {});
Tensor max_pool2d(const Tensor& x, const PerAxis& kernel_size, const MaxPoolOptions& options = {});

/// Options of average pooling; names and defaults are PyTorch's.
struct AvgPoolOptions {
  std::optional<PerAxis> stride = {};  ///< the window's size unless given
  PerAxis padding = 0;                 ///< with zeros
  bool count_include_pad = true;       ///< whether these zeros count in the mean
};

/// The mean of each window.
Tensor avg_pool1d(const Tensor& x, const PerAxis& kernel_size, const AvgPoolOptions& options = {});
Tensor avg_pool2d(const Tensor& x, const PerAxis& kernel_size, const AvgPoolOptions& options = {});

/// Means over windows chosen so that the result has `output_size`: [floor(i H / h), ceil((i + 1) H / h)).
Tensor adaptive_avg_pool2d(const Tensor& x, const PerAxis& output_size);

}  // namespace normgrad
