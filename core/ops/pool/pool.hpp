// Pooling, differentiable to any order. x: [N, C, spatial...], or without the batch axis.
//
// Each spatial axis of the result has floor((size + 2 padding - dilation (kernel - 1) - 1) / stride) + 1 elements
// (PyTorch's ceil_mode = false). Throws ShapeError if rank or window do not fit, and ValueError for padding of more
// than half the window.
#pragma once

#include <optional>

#include "normgrad/core/autograd/tensor.hpp"
#include "normgrad/core/ops/conv/per_axis.hpp"

namespace normgrad {

/// Options of max pooling. Names and defaults are PyTorch's.
struct MaxPoolOptions {
  std::optional<PerAxis> stride = {};  ///< defaults to the window size
  PerAxis padding = 0;                 ///< padding with minus infinity
  PerAxis dilation = 1;                ///< spacing of the window elements
};

/// The maximum of each window. The first of several equal elements gets the gradient.
Tensor max_pool1d(const Tensor& x, const PerAxis& kernel_size, const MaxPoolOptions& options = {});
Tensor max_pool2d(const Tensor& x, const PerAxis& kernel_size, const MaxPoolOptions& options = {});

/// Options of average pooling. Names and defaults are PyTorch's.
struct AvgPoolOptions {
  std::optional<PerAxis> stride = {};  ///< defaults to the window size
  PerAxis padding = 0;                 ///< padding with zeros
  bool count_include_pad = true;       ///< whether padding zeros count in the mean
};

/// The mean of each window.
Tensor avg_pool1d(const Tensor& x, const PerAxis& kernel_size, const AvgPoolOptions& options = {});
Tensor avg_pool2d(const Tensor& x, const PerAxis& kernel_size, const AvgPoolOptions& options = {});

/// Averages over windows chosen so that the result has size `output_size`: [floor(i H / h), ceil((i + 1) H / h)).
Tensor adaptive_avg_pool2d(const Tensor& x, const PerAxis& output_size);

}  // namespace normgrad
