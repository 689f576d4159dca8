// Pooling layers; see core/ops/pool/pool.hpp for shapes.
#pragma once

#include <string>

#include "normgrad/core/ops/conv/per_axis.hpp"
#include "normgrad/core/ops/pool/pool.hpp"
#include "normgrad/layers/module/module.hpp"

namespace normgrad {

namespace detail {

/// Throw ValueError, naming the layer, for sizes that are not positive and for padding of more than half the window.
void check_pool(const char* name, std::size_t axes, const PerAxis& kernel_size, const MaxPoolOptions& options);
void check_pool(const char* name, std::size_t axes, const PerAxis& kernel_size, const AvgPoolOptions& options);
void check_pool(const char* name, std::size_t axes, const PerAxis& kernel_size, const MaxUnpoolOptions& options);

template <class Options>
class PoolLayer : public Module {
 public:
  const PerAxis& kernel_size() const noexcept { return kernel_size_; }
  const Options& options() const noexcept { return options_; }
  std::string extra_repr() const override;

 protected:
  PoolLayer(const char* name, std::size_t axes, const PerAxis& kernel_size, const Options& options)
      : kernel_size_(kernel_size), options_(options) {
    check_pool(name, axes, kernel_size, options);
  }
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
  AdaptivePoolLayer(const char* name, std::size_t axes, const PerAxis& output_size) : output_size_(output_size) {
    output_size.resolve(name, "output_size", axes, 1, 1);
  }
  PerAxis output_size_;
};

/// Base of the power-average pooling layers.
class LPPoolLayer : public Module {
 public:
  std::string extra_repr() const override;

 protected:
  LPPoolLayer(const char* name, std::size_t axes, double norm_type, const PerAxis& kernel_size,
              const LPPoolOptions& options);
  double norm_type_;
  PerAxis kernel_size_;
  LPPoolOptions options_;
};

}  // namespace detail

/// x: [N, C, L] or [C, L]. MaxPool1d(3, {.stride = 2, .padding = 1}); the stride defaults to the window size.
class MaxPool1d : public detail::PoolLayer<MaxPoolOptions> {
 public:
  /// Throws ValueError for sizes that are not positive and for padding of more than half the window.
  explicit MaxPool1d(const PerAxis& kernel_size, const MaxPoolOptions& options = {})
      : PoolLayer("MaxPool1d", 1, kernel_size, options) {}
  NORMGRAD_DECLARE_MEMBERS(MaxPool1d)
  Tensor forward(const Tensor& x) override;
  Epilogue as_epilogue() const override;
};

/// x: [N, C, H, W] or [C, H, W].
class MaxPool2d : public detail::PoolLayer<MaxPoolOptions> {
 public:
  /// Throws ValueError for sizes that are not positive and for padding of more than half the window.
  explicit MaxPool2d(const PerAxis& kernel_size, const MaxPoolOptions& options = {})
      : PoolLayer("MaxPool2d", 2, kernel_size, options) {}
  NORMGRAD_DECLARE_MEMBERS(MaxPool2d)
  Tensor forward(const Tensor& x) override;
  Epilogue as_epilogue() const override;
};

/// x: [N, C, D, H, W] or [C, D, H, W].
class MaxPool3d : public detail::PoolLayer<MaxPoolOptions> {
 public:
  /// Throws ValueError for sizes that are not positive and for padding of more than half the window.
  explicit MaxPool3d(const PerAxis& kernel_size, const MaxPoolOptions& options = {})
      : PoolLayer("MaxPool3d", 3, kernel_size, options) {}
  NORMGRAD_DECLARE_MEMBERS(MaxPool3d)
  Tensor forward(const Tensor& x) override;
};

/// x: [N, C, L] or [C, L].
class AvgPool1d : public detail::PoolLayer<AvgPoolOptions> {
 public:
  /// Throws ValueError for sizes that are not positive and for padding of more than half the window.
  explicit AvgPool1d(const PerAxis& kernel_size, const AvgPoolOptions& options = {})
      : PoolLayer("AvgPool1d", 1, kernel_size, options) {}
  NORMGRAD_DECLARE_MEMBERS(AvgPool1d)
  Tensor forward(const Tensor& x) override;
};

/// x: [N, C, H, W] or [C, H, W].
class AvgPool2d : public detail::PoolLayer<AvgPoolOptions> {
 public:
  /// Throws ValueError for sizes that are not positive and for padding of more than half the window.
  explicit AvgPool2d(const PerAxis& kernel_size, const AvgPoolOptions& options = {})
      : PoolLayer("AvgPool2d", 2, kernel_size, options) {}
  NORMGRAD_DECLARE_MEMBERS(AvgPool2d)
  Tensor forward(const Tensor& x) override;
};

/// x: [N, C, D, H, W] or [C, D, H, W].
class AvgPool3d : public detail::PoolLayer<AvgPoolOptions> {
 public:
  /// Throws ValueError for sizes that are not positive and for padding of more than half the window.
  explicit AvgPool3d(const PerAxis& kernel_size, const AvgPoolOptions& options = {})
      : PoolLayer("AvgPool3d", 3, kernel_size, options) {}
  NORMGRAD_DECLARE_MEMBERS(AvgPool3d)
  Tensor forward(const Tensor& x) override;
};

/// x: [N, C, L] or [C, L]. The sum of x^norm_type over each window, to the power 1 / norm_type.
class LPPool1d : public detail::LPPoolLayer {
 public:
  /// Throws ValueError for sizes that are not positive and for a norm_type of 0.
  LPPool1d(double norm_type, const PerAxis& kernel_size, const LPPoolOptions& options = {})
      : LPPoolLayer("LPPool1d", 1, norm_type, kernel_size, options) {}
  NORMGRAD_DECLARE_MEMBERS(LPPool1d)
  Tensor forward(const Tensor& x) override;
};

/// x: [N, C, H, W] or [C, H, W]. The sum of x^norm_type over each window, to the power 1 / norm_type.
class LPPool2d : public detail::LPPoolLayer {
 public:
  /// Throws ValueError for sizes that are not positive and for a norm_type of 0.
  LPPool2d(double norm_type, const PerAxis& kernel_size, const LPPoolOptions& options = {})
      : LPPoolLayer("LPPool2d", 2, norm_type, kernel_size, options) {}
  NORMGRAD_DECLARE_MEMBERS(LPPool2d)
  Tensor forward(const Tensor& x) override;
};

/// Averages over windows whose size gives a result of `output_size`. x: [N, C, L] or [C, L].
class AdaptiveAvgPool1d : public detail::AdaptivePoolLayer {
 public:
  /// Throws ValueError for sizes that are not positive.
  explicit AdaptiveAvgPool1d(const PerAxis& output_size) : AdaptivePoolLayer("AdaptiveAvgPool1d", 1, output_size) {}
  NORMGRAD_DECLARE_MEMBERS(AdaptiveAvgPool1d)
  Tensor forward(const Tensor& x) override;
};

/// Averages over windows whose size gives a result of `output_size`. x: [N, C, H, W] or [C, H, W].
class AdaptiveAvgPool2d : public detail::AdaptivePoolLayer {
 public:
  /// Throws ValueError for sizes that are not positive.
  explicit AdaptiveAvgPool2d(const PerAxis& output_size) : AdaptivePoolLayer("AdaptiveAvgPool2d", 2, output_size) {}
  NORMGRAD_DECLARE_MEMBERS(AdaptiveAvgPool2d)
  Tensor forward(const Tensor& x) override;
};

/// Averages over windows whose size gives a result of `output_size`. x: [N, C, D, H, W] or [C, D, H, W].
class AdaptiveAvgPool3d : public detail::AdaptivePoolLayer {
 public:
  /// Throws ValueError for sizes that are not positive.
  explicit AdaptiveAvgPool3d(const PerAxis& output_size) : AdaptivePoolLayer("AdaptiveAvgPool3d", 3, output_size) {}
  NORMGRAD_DECLARE_MEMBERS(AdaptiveAvgPool3d)
  Tensor forward(const Tensor& x) override;
};

/// The maximum of windows whose size gives a result of `output_size`. x: [N, C, L] or [C, L].
class AdaptiveMaxPool1d : public detail::AdaptivePoolLayer {
 public:
  /// Throws ValueError for sizes that are not positive.
  explicit AdaptiveMaxPool1d(const PerAxis& output_size) : AdaptivePoolLayer("AdaptiveMaxPool1d", 1, output_size) {}
  NORMGRAD_DECLARE_MEMBERS(AdaptiveMaxPool1d)
  Tensor forward(const Tensor& x) override;
};

/// The maximum of windows whose size gives a result of `output_size`. x: [N, C, H, W] or [C, H, W].
class AdaptiveMaxPool2d : public detail::AdaptivePoolLayer {
 public:
  /// Throws ValueError for sizes that are not positive.
  explicit AdaptiveMaxPool2d(const PerAxis& output_size) : AdaptivePoolLayer("AdaptiveMaxPool2d", 2, output_size) {}
  NORMGRAD_DECLARE_MEMBERS(AdaptiveMaxPool2d)
  Tensor forward(const Tensor& x) override;
};

/// The maximum of windows whose size gives a result of `output_size`. x: [N, C, D, H, W] or [C, D, H, W].
class AdaptiveMaxPool3d : public detail::AdaptivePoolLayer {
 public:
  /// Throws ValueError for sizes that are not positive.
  explicit AdaptiveMaxPool3d(const PerAxis& output_size) : AdaptivePoolLayer("AdaptiveMaxPool3d", 3, output_size) {}
  NORMGRAD_DECLARE_MEMBERS(AdaptiveMaxPool3d)
  Tensor forward(const Tensor& x) override;
};

/// Puts elements back where max_pool1d_with_indices() took them: unpool(values, indices).
class MaxUnpool1d : public detail::PoolLayer<MaxUnpoolOptions> {
 public:
  /// Throws ValueError for sizes that are not positive and for padding of more than half the window.
  explicit MaxUnpool1d(const PerAxis& kernel_size, const MaxUnpoolOptions& options = {})
      : PoolLayer("MaxUnpool1d", 1, kernel_size, options) {}
  NORMGRAD_DECLARE_MEMBERS(MaxUnpool1d)
  NORMGRAD_CALL_FORWARD()
  /// x and indices: [N, C, L] or [C, L].
  Tensor forward(const Tensor& x, const Tensor& indices);
};

/// Puts elements back where max_pool2d_with_indices() took them: unpool(values, indices).
class MaxUnpool2d : public detail::PoolLayer<MaxUnpoolOptions> {
 public:
  /// Throws ValueError for sizes that are not positive and for padding of more than half the window.
  explicit MaxUnpool2d(const PerAxis& kernel_size, const MaxUnpoolOptions& options = {})
      : PoolLayer("MaxUnpool2d", 2, kernel_size, options) {}
  NORMGRAD_DECLARE_MEMBERS(MaxUnpool2d)
  NORMGRAD_CALL_FORWARD()
  /// x and indices: [N, C, H, W] or [C, H, W].
  Tensor forward(const Tensor& x, const Tensor& indices);
};

/// Puts elements back where max_pool3d_with_indices() took them: unpool(values, indices).
class MaxUnpool3d : public detail::PoolLayer<MaxUnpoolOptions> {
 public:
  /// Throws ValueError for sizes that are not positive and for padding of more than half the window.
  explicit MaxUnpool3d(const PerAxis& kernel_size, const MaxUnpoolOptions& options = {})
      : PoolLayer("MaxUnpool3d", 3, kernel_size, options) {}
  NORMGRAD_DECLARE_MEMBERS(MaxUnpool3d)
  NORMGRAD_CALL_FORWARD()
  /// x and indices: [N, C, D, H, W] or [C, D, H, W].
  Tensor forward(const Tensor& x, const Tensor& indices);
};

}  // namespace normgrad
