// Convolution layers; see core/ops/conv.hpp for shapes.
//
//   Conv2d conv(1, 32, 3, {.stride = 2, .padding = 1});
//   Conv2d wide(1, 32, {3, 5}, {.padding = {1, 2}, .bias = false});
#pragma once

#include <cstdint>
#include <string>

#include "normgrad/core/base/random.hpp"
#include "normgrad/core/ops/conv.hpp"
#include "normgrad/core/ops/per_axis.hpp"
#include "normgrad/layers/module.hpp"

namespace normgrad {

/// Options of Conv1d, Conv2d and Conv3d; names and defaults are PyTorch's.
struct ConvLayerOptions {
  PerAxis stride = 1;              ///< from one place of the window to the next
  PerAxis padding = 0;             ///< zeros added on both sides
  PerAxis dilation = 1;            ///< from one element of the window to the next
  std::int64_t groups = 1;         ///< channels are cut into this many groups that do not mix
  bool bias = true;                ///< whether a number per channel is added
  DType dtype = kFloat32;          ///< of the parameters
  Generator* generator = nullptr;  ///< of the starting values; null: default_generator()
};

/// Options of ConvTranspose2d; names and defaults are PyTorch's.
struct ConvTransposeLayerOptions {
  PerAxis stride = 1;              ///< from one place of the window to the next, in the result
  PerAxis padding = 0;             ///< taken off both sides of the result
  PerAxis output_padding = 0;      ///< added at the end of the result; below stride or dilation
  std::int64_t groups = 1;         ///< channels are cut into this many groups that do not mix
  bool bias = true;                ///< whether a number per channel is added
  PerAxis dilation = 1;            ///< from one element of the window to the next
  DType dtype = kFloat32;          ///< of the parameters
  Generator* generator = nullptr;  ///< of the starting values; null: default_generator()
};

namespace detail {

/// What the convolution layers have in common: the parameters. Starts uniform in +-1 / sqrt(fan_in), weight and bias.
class ConvLayer : public Module {
 public:
  std::int64_t in_channels() const noexcept { return in_channels_; }
  std::int64_t out_channels() const noexcept { return out_channels_; }
  const PerAxis& kernel_size() const noexcept { return kernel_size_; }
  /// Draws new starting values.
  void reset_parameters(Generator* generator = nullptr);

  Parameter weight;  ///< [out_channels, in_channels / groups, kernel...]; transposed: in and out change places
  Parameter bias;    ///< [out_channels]; undefined without bias

 protected:
  /// Throws ValueError, naming the layer, for sizes that are not positive and groups that do not divide the channels.
  ConvLayer(const char* name, std::size_t axes, std::int64_t in_channels, std::int64_t out_channels,
            const PerAxis& kernel_size, const ConvLayerOptions& options, bool transposed);
  std::size_t axes() const noexcept { return axes_; }
  std::string repr(const PerAxis& stride, const PerAxis& padding, const PerAxis& dilation,
                   const PerAxis& output_padding, std::int64_t groups) const;

 private:
  std::size_t axes_;
  std::int64_t in_channels_;
  std::int64_t out_channels_;
  PerAxis kernel_size_;
};

/// A convolution over `axes` spatial axes.
class ForwardConvLayer : public ConvLayer {
 public:
  std::string extra_repr() const override;
  /// relu((*this)(x)); for containers, when nobody asks to see what is between the two.
  Tensor call_with_relu(const Tensor& x);

 protected:
  ForwardConvLayer(const char* name, std::size_t axes, std::int64_t in_channels, std::int64_t out_channels,
                   const PerAxis& kernel_size, const ConvLayerOptions& options);
  ConvOptions options_;
};

}  // namespace detail

/// x: [N, in_channels, L] -> [N, out_channels, L'].
class Conv1d : public detail::ForwardConvLayer {
 public:
  /// Throws ValueError for channels and groups that are not above 0 or do not divide.
  Conv1d(std::int64_t in_channels, std::int64_t out_channels, const PerAxis& kernel_size,
         const ConvLayerOptions& options = {})
      : ForwardConvLayer("Conv1d", 1, in_channels, out_channels, kernel_size, options) {}
  NORMGRAD_MEMBERS(Conv1d, weight, bias)
  Tensor forward(const Tensor& x) override;
};

/// x: [N, in_channels, H, W] -> [N, out_channels, H', W'].
class Conv2d : public detail::ForwardConvLayer {
 public:
  /// Throws ValueError for channels and groups that are not above 0 or do not divide.
  Conv2d(std::int64_t in_channels, std::int64_t out_channels, const PerAxis& kernel_size,
         const ConvLayerOptions& options = {})
      : ForwardConvLayer("Conv2d", 2, in_channels, out_channels, kernel_size, options) {}
  NORMGRAD_MEMBERS(Conv2d, weight, bias)
  Tensor forward(const Tensor& x) override;
};

/// x: [N, in_channels, D, H, W] -> [N, out_channels, D', H', W'].
class Conv3d : public detail::ForwardConvLayer {
 public:
  /// Throws ValueError for channels and groups that are not above 0 or do not divide.
  Conv3d(std::int64_t in_channels, std::int64_t out_channels, const PerAxis& kernel_size,
         const ConvLayerOptions& options = {})
      : ForwardConvLayer("Conv3d", 3, in_channels, out_channels, kernel_size, options) {}
  NORMGRAD_MEMBERS(Conv3d, weight, bias)
  Tensor forward(const Tensor& x) override;
};

/// x: [N, in_channels, H, W] -> [N, out_channels, H', W'], larger than x where the stride is above 1. fan_in is
/// out_channels / groups times the kernel's size, as PyTorch has it.
class ConvTranspose2d : public detail::ConvLayer {
 public:
  /// Throws ValueError, too, for an output_padding that is below neither stride nor dilation.
  ConvTranspose2d(std::int64_t in_channels, std::int64_t out_channels, const PerAxis& kernel_size,
                  const ConvTransposeLayerOptions& options = {});
  NORMGRAD_MEMBERS(ConvTranspose2d, weight, bias)
  std::string extra_repr() const override;
  Tensor forward(const Tensor& x) override;

 private:
  ConvTransposeOptions options_;
};

}  // namespace normgrad
