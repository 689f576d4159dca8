// Pooling layers; see core/ops/pool/pool.hpp for shapes.
#pragma once

#include <cstddef>
#include <string>

#include "normgrad/core/ops/conv/per_axis.hpp"
#include "normgrad/core/ops/pool/pool.hpp"
#include "normgrad/layers/module/module.hpp"

namespace normgrad {

namespace detail {

/// Base of the pooling layers over windows. `stem` is the layer's name without its axes.
template <class Options>
class PoolLayer : public Module {
 public:
  const PerAxis& kernel_size() const noexcept { return kernel_size_; }
  const Options& options() const noexcept { return options_; }
  std::string extra_repr() const override;

 protected:
  PoolLayer(const char* stem, std::size_t axes, const PerAxis& kernel_size, const Options& options);
  PerAxis kernel_size_;
  Options options_;
};

extern template class PoolLayer<MaxPoolOptions>;
extern template class PoolLayer<AvgPoolOptions>;
extern template class PoolLayer<MaxUnpoolOptions>;

/// Base of the layers with a result of a given size.
class AdaptivePoolLayer : public Module {
 public:
  const PerAxis& output_size() const noexcept { return output_size_; }
  std::string extra_repr() const override;

 protected:
  AdaptivePoolLayer(const char* stem, std::size_t axes, const PerAxis& output_size);
  PerAxis output_size_;
};

/// Base of the power-average pooling layers.
class LPPoolLayer : public Module {
 public:
  std::string extra_repr() const override;

 protected:
  LPPoolLayer(const char* stem, std::size_t axes, double norm_type, const PerAxis& kernel_size,
              const LPPoolOptions& options);
  double norm_type_;
  PerAxis kernel_size_;
  LPPoolOptions options_;
};

}  // namespace detail

/// The maximum of each window: MaxPool1d(3, {.stride = 2, .padding = 1}). The stride defaults to the window size.
template <std::size_t axes>
class MaxPool : public detail::PoolLayer<MaxPoolOptions> {
 public:
  /// Throws ValueError for sizes that are not positive and for padding of more than half the window.
  explicit MaxPool(const PerAxis& kernel_size, const MaxPoolOptions& options = {})
      : PoolLayer("MaxPool", axes, kernel_size, options) {}
  NORMGRAD_DECLARE_MEMBERS(MaxPool)
  Tensor forward(const Tensor& x) override;
  Epilogue as_epilogue() const override;
};
using MaxPool1d = MaxPool<1>;  ///< x: [N, C, L] or [C, L]
using MaxPool2d = MaxPool<2>;  ///< x: [N, C, H, W] or [C, H, W]
using MaxPool3d = MaxPool<3>;  ///< x: [N, C, D, H, W] or [C, D, H, W]

/// The mean of each window.
template <std::size_t axes>
class AvgPool : public detail::PoolLayer<AvgPoolOptions> {
 public:
  /// Throws ValueError for sizes that are not positive and for padding of more than half the window.
  explicit AvgPool(const PerAxis& kernel_size, const AvgPoolOptions& options = {})
      : PoolLayer("AvgPool", axes, kernel_size, options) {}
  NORMGRAD_DECLARE_MEMBERS(AvgPool)
  Tensor forward(const Tensor& x) override;
};
using AvgPool1d = AvgPool<1>;  ///< x: [N, C, L] or [C, L]
using AvgPool2d = AvgPool<2>;  ///< x: [N, C, H, W] or [C, H, W]
using AvgPool3d = AvgPool<3>;  ///< x: [N, C, D, H, W] or [C, D, H, W]

/// The sum of x^norm_type over each window, to the power 1 / norm_type.
template <std::size_t axes>
class LPPool : public detail::LPPoolLayer {
 public:
  /// Throws ValueError for sizes that are not positive and for a norm_type of 0.
  LPPool(double norm_type, const PerAxis& kernel_size, const LPPoolOptions& options = {})
      : LPPoolLayer("LPPool", axes, norm_type, kernel_size, options) {}
  NORMGRAD_DECLARE_MEMBERS(LPPool)
  Tensor forward(const Tensor& x) override;
};
using LPPool1d = LPPool<1>;  ///< x: [N, C, L] or [C, L]
using LPPool2d = LPPool<2>;  ///< x: [N, C, H, W] or [C, H, W]

/// Averages over windows whose size gives a result of `output_size`.
template <std::size_t axes>
class AdaptiveAvgPool : public detail::AdaptivePoolLayer {
 public:
  /// Throws ValueError for sizes that are not positive.
  explicit AdaptiveAvgPool(const PerAxis& output_size) : AdaptivePoolLayer("AdaptiveAvgPool", axes, output_size) {}
  NORMGRAD_DECLARE_MEMBERS(AdaptiveAvgPool)
  Tensor forward(const Tensor& x) override;
};
using AdaptiveAvgPool1d = AdaptiveAvgPool<1>;  ///< x: [N, C, L] or [C, L]
using AdaptiveAvgPool2d = AdaptiveAvgPool<2>;  ///< x: [N, C, H, W] or [C, H, W]
using AdaptiveAvgPool3d = AdaptiveAvgPool<3>;  ///< x: [N, C, D, H, W] or [C, D, H, W]

/// The maximum of windows whose size gives a result of `output_size`.
template <std::size_t axes>
class AdaptiveMaxPool : public detail::AdaptivePoolLayer {
 public:
  /// Throws ValueError for sizes that are not positive.
  explicit AdaptiveMaxPool(const PerAxis& output_size) : AdaptivePoolLayer("AdaptiveMaxPool", axes, output_size) {}
  NORMGRAD_DECLARE_MEMBERS(AdaptiveMaxPool)
  Tensor forward(const Tensor& x) override;
};
using AdaptiveMaxPool1d = AdaptiveMaxPool<1>;  ///< x: [N, C, L] or [C, L]
using AdaptiveMaxPool2d = AdaptiveMaxPool<2>;  ///< x: [N, C, H, W] or [C, H, W]
using AdaptiveMaxPool3d = AdaptiveMaxPool<3>;  ///< x: [N, C, D, H, W] or [C, D, H, W]

/// Puts elements back where max_pool1d_with_indices() took them: unpool(values, indices).
template <std::size_t axes>
class MaxUnpool : public detail::PoolLayer<MaxUnpoolOptions> {
 public:
  /// Throws ValueError for sizes that are not positive and for padding of more than half the window.
  explicit MaxUnpool(const PerAxis& kernel_size, const MaxUnpoolOptions& options = {})
      : PoolLayer("MaxUnpool", axes, kernel_size, options) {}
  NORMGRAD_DECLARE_MEMBERS(MaxUnpool)
  NORMGRAD_CALL_FORWARD()
  /// x and indices have the same shape.
  Tensor forward(const Tensor& x, const Tensor& indices);
};
using MaxUnpool1d = MaxUnpool<1>;  ///< x: [N, C, L] or [C, L]
using MaxUnpool2d = MaxUnpool<2>;  ///< x: [N, C, H, W] or [C, H, W]
using MaxUnpool3d = MaxUnpool<3>;  ///< x: [N, C, D, H, W] or [C, D, H, W]

}  // namespace normgrad
