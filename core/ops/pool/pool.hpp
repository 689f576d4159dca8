// Pooling, differentiable to any order. x: [N, C, spatial...], or without the batch axis.
//
// Each spatial axis of the result has floor((size + 2 padding - dilation (kernel - 1) - 1) / stride) + 1 elements. With
// ceil_mode it is the ceiling, without a last window that would start in the padding at the end. Throws ShapeError if
// rank or window do not fit, and ValueError for padding of more than half the window.
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "normgrad/core/autograd/tensor.hpp"
#include "normgrad/core/ops/conv/per_axis.hpp"

namespace normgrad {

/// Options of max pooling. Names and defaults are PyTorch's.
struct MaxPoolOptions {
  std::optional<PerAxis> stride = {};  ///< defaults to the window size
  PerAxis padding = 0;                 ///< padding with minus infinity
  PerAxis dilation = 1;                ///< spacing of the window elements
  bool ceil_mode = false;              ///< whether a last window that reaches beyond the end counts
};

/// The maximum of each window. The first of several equal elements gets the gradient.
Tensor max_pool1d(const Tensor& x, const PerAxis& kernel_size, const MaxPoolOptions& options = {});
Tensor max_pool2d(const Tensor& x, const PerAxis& kernel_size, const MaxPoolOptions& options = {});
Tensor max_pool3d(const Tensor& x, const PerAxis& kernel_size, const MaxPoolOptions& options = {});

/// The result of max pooling with the places of the largest elements.
struct MaxPoolResult {
  Tensor values;   ///< the largest element of each window
  Tensor indices;  ///< int64, the shape of values: its position in the flattened spatial axes of x
};

/// Max pooling that also returns where the largest elements are (PyTorch's return_indices).
MaxPoolResult max_pool1d_with_indices(const Tensor& x, const PerAxis& kernel_size, const MaxPoolOptions& options = {});
MaxPoolResult max_pool2d_with_indices(const Tensor& x, const PerAxis& kernel_size, const MaxPoolOptions& options = {});
MaxPoolResult max_pool3d_with_indices(const Tensor& x, const PerAxis& kernel_size, const MaxPoolOptions& options = {});

/// Options of max unpooling. Names and defaults are PyTorch's.
struct MaxUnpoolOptions {
  std::optional<PerAxis> stride = {};          ///< defaults to the window size
  PerAxis padding = 0;                         ///< of the pooling
  std::vector<std::int64_t> output_size = {};  ///< spatial sizes of the result; {}: the smallest that fit
};

/// Zeros with the elements of x at `indices`, those of max pooling: its inverse up to the elements that it dropped.
/// Each spatial axis has (size - 1) stride - 2 padding + kernel elements, unless output_size says otherwise.
Tensor max_unpool1d(const Tensor& x, const Tensor& indices, const PerAxis& kernel_size,
                    const MaxUnpoolOptions& options = {});
Tensor max_unpool2d(const Tensor& x, const Tensor& indices, const PerAxis& kernel_size,
                    const MaxUnpoolOptions& options = {});
Tensor max_unpool3d(const Tensor& x, const Tensor& indices, const PerAxis& kernel_size,
                    const MaxUnpoolOptions& options = {});

/// Options of average pooling. Names and defaults are PyTorch's.
struct AvgPoolOptions {
  std::optional<PerAxis> stride = {};                 ///< defaults to the window size
  PerAxis padding = 0;                                ///< padding with zeros
  bool ceil_mode = false;                             ///< whether a last window that reaches beyond the end counts
  bool count_include_pad = true;                      ///< whether padding zeros count in the mean
  std::optional<std::int64_t> divisor_override = {};  ///< the sum is divided by this number; at least 1
};

/// The mean of each window.
Tensor avg_pool1d(const Tensor& x, const PerAxis& kernel_size, const AvgPoolOptions& options = {});
Tensor avg_pool2d(const Tensor& x, const PerAxis& kernel_size, const AvgPoolOptions& options = {});
Tensor avg_pool3d(const Tensor& x, const PerAxis& kernel_size, const AvgPoolOptions& options = {});

/// Options of power-average pooling. Names and defaults are PyTorch's.
struct LPPoolOptions {
  std::optional<PerAxis> stride = {};  ///< defaults to the window size
  bool ceil_mode = false;              ///< whether a last window that reaches beyond the end counts
};

/// (sum of x^p over each window)^(1/p) for p = norm_type. NaN where the sum is negative and 1/p is no integer; the
/// gradient is not finite where the sum is 0. As in PyTorch, a window cut off in ceil_mode counts as full of its mean.
Tensor lp_pool1d(const Tensor& x, double norm_type, const PerAxis& kernel_size, const LPPoolOptions& options = {});
Tensor lp_pool2d(const Tensor& x, double norm_type, const PerAxis& kernel_size, const LPPoolOptions& options = {});

/// Averages over windows chosen so that the result has size `output_size`: [floor(i H / h), ceil((i + 1) H / h)).
Tensor adaptive_avg_pool1d(const Tensor& x, const PerAxis& output_size);
Tensor adaptive_avg_pool2d(const Tensor& x, const PerAxis& output_size);
Tensor adaptive_avg_pool3d(const Tensor& x, const PerAxis& output_size);

/// The maximum over the same windows.
Tensor adaptive_max_pool1d(const Tensor& x, const PerAxis& output_size);
Tensor adaptive_max_pool2d(const Tensor& x, const PerAxis& output_size);
Tensor adaptive_max_pool3d(const Tensor& x, const PerAxis& output_size);
MaxPoolResult adaptive_max_pool1d_with_indices(const Tensor& x, const PerAxis& output_size);
MaxPoolResult adaptive_max_pool2d_with_indices(const Tensor& x, const PerAxis& output_size);
MaxPoolResult adaptive_max_pool3d_with_indices(const Tensor& x, const PerAxis& output_size);

}  // namespace normgrad
