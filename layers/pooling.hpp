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

}  // namespace detail

/// x: [N, C, L] or [C, L]. MaxPool1d(3, {.stride = 2, .padding = 1}); the stride defaults to the window size.
class MaxPool1d : public detail::PoolLayer<MaxPoolOptions> {
 public:
  /// Throws ValueError for sizes that are not positive and for padding of more than half the window.
  explicit MaxPool1d(const PerAxis& kernel_size, const MaxPoolOptions& options = {})
      : PoolLayer("MaxPool1d", 1, kernel_size, options) {}
  NORMGRAD_MEMBERS(MaxPool1d)
  Tensor forward(const Tensor& x) override;
  Epilogue as_epilogue() const override;
};

/// x: [N, C, H, W] or [C, H, W].
class MaxPool2d : public detail::PoolLayer<MaxPoolOptions> {
 public:
  /// Throws ValueError for sizes that are not positive and for padding of more than half the window.
  explicit MaxPool2d(const PerAxis& kernel_size, const MaxPoolOptions& options = {})
      : PoolLayer("MaxPool2d", 2, kernel_size, options) {}
  NORMGRAD_MEMBERS(MaxPool2d)
  Tensor forward(const Tensor& x) override;
  Epilogue as_epilogue() const override;
};

/// x: [N, C, L] or [C, L].
class AvgPool1d : public detail::PoolLayer<AvgPoolOptions> {
 public:
  /// Throws ValueError for sizes that are not positive and for padding of more than half the window.
  explicit AvgPool1d(const PerAxis& kernel_size, const AvgPoolOptions& options = {})
      : PoolLayer("AvgPool1d", 1, kernel_size, options) {}
  NORMGRAD_MEMBERS(AvgPool1d)
  Tensor forward(const Tensor& x) override;
};

/// x: [N, C, H, W] or [C, H, W].
class AvgPool2d : public detail::PoolLayer<AvgPoolOptions> {
 public:
  /// Throws ValueError for sizes that are not positive and for padding of more than half the window.
  explicit AvgPool2d(const PerAxis& kernel_size, const AvgPoolOptions& options = {})
      : PoolLayer("AvgPool2d", 2, kernel_size, options) {}
  NORMGRAD_MEMBERS(AvgPool2d)
  Tensor forward(const Tensor& x) override;
};

/// Averages over windows whose size gives a result of `output_size`.
class AdaptiveAvgPool2d : public Module {
 public:
  /// Throws ValueError for sizes that are not positive.
  explicit AdaptiveAvgPool2d(const PerAxis& output_size);
  NORMGRAD_MEMBERS(AdaptiveAvgPool2d)
  std::string extra_repr() const override;
  Tensor forward(const Tensor& x) override;

 private:
  PerAxis output_size_;
};

}  // namespace normgrad
