// Convolution layers; see core/ops/conv/conv.hpp for shapes.
//
//   Conv2d conv(1, 32, 3, {.stride = 2, .padding = 1});
//   Conv2d wide(1, 32, {3, 5}, {.padding = {1, 2}, .bias = false});
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "normgrad/core/base/random.hpp"
#include "normgrad/core/ops/conv/conv.hpp"
#include "normgrad/core/ops/conv/per_axis.hpp"
#include "normgrad/layers/module/module.hpp"

namespace normgrad {

/// Options of Conv1d, Conv2d and Conv3d. Names and defaults are PyTorch's.
struct ConvLayerOptions {
  PerAxis stride = 1;       ///< step of the window
  ConvPadding padding = 0;  ///< elements added on both sides, or "same" or "valid"
  PerAxis dilation = 1;     ///< spacing of the kernel elements
  std::int64_t groups = 1;  ///< number of channel groups, which are convolved independently
  bool bias = true;         ///< whether to add a bias
  /// What is added: "zeros", "reflect", "replicate" or "circular", as in pad().
  std::string padding_mode = "zeros";
  DType dtype = kFloat32;          ///< dtype of the parameters
  Generator* generator = nullptr;  ///< source of the initial values; null: default_generator()
};

/// Options of the transposed convolutions. Names and defaults are PyTorch's.
struct ConvTransposeLayerOptions {
  PerAxis stride = 1;              ///< step of the window, in the result
  PerAxis padding = 0;             ///< removed from both sides of the result
  PerAxis output_padding = 0;      ///< added at the end of the result; less than stride or dilation
  std::int64_t groups = 1;         ///< number of channel groups, which are convolved independently
  bool bias = true;                ///< whether to add a bias
  PerAxis dilation = 1;            ///< spacing of the kernel elements
  DType dtype = kFloat32;          ///< dtype of the parameters
  Generator* generator = nullptr;  ///< source of the initial values; null: default_generator()
};

namespace detail {

/// Base of the convolution layers: holds the parameters. `stem` is the layer's name without its axes. Weight and bias
/// are initialized uniformly in +-1 / sqrt(fan_in).
class ConvLayer : public Module {
 public:
  std::int64_t in_channels() const noexcept { return in_channels_; }
  std::int64_t out_channels() const noexcept { return out_channels_; }
  const PerAxis& kernel_size() const noexcept { return kernel_size_; }
  /// Initializes the parameters again.
  void reset_parameters(Generator* generator = nullptr);

  Parameter weight;  ///< [out_channels, in_channels / groups, kernel...]; transposed: in and out are swapped
  Parameter bias;    ///< [out_channels]; undefined without bias

 protected:
  /// Throws ValueError, naming the layer, for sizes that are not positive and for groups that do not divide the
  /// channels.
  ConvLayer(const char* stem, std::size_t axes, std::int64_t in_channels, std::int64_t out_channels,
            const PerAxis& kernel_size, const ConvLayerOptions& options, bool transposed);
  std::size_t num_axes() const noexcept { return axes_; }
  std::string repr(const PerAxis& stride, const ConvPadding& padding, const PerAxis& dilation,
                   const PerAxis& output_padding, std::int64_t groups) const;

 private:
  std::size_t axes_;
  std::int64_t in_channels_;
  std::int64_t out_channels_;
  PerAxis kernel_size_;
};

/// Base of the convolutions over `axes` spatial axes.
class ForwardConvLayer : public ConvLayer {
 public:
  std::string extra_repr() const override;

 protected:
  Tensor forward_fused(const Tensor& x, const Epilogue& epilogue) override;
  ForwardConvLayer(const char* stem, std::size_t axes, std::int64_t in_channels, std::int64_t out_channels,
                   const PerAxis& kernel_size, const ConvLayerOptions& options);
  /// x with padding other than zeros around it; otherwise x itself.
  Tensor padded(const Tensor& x) const;
  ConvOptions options_;

 private:
  ConvPadding padding_;  // as given; options_ has it only for zeros
  std::string padding_mode_;
  std::vector<std::int64_t> around_;  // what padded() adds: pairs, the last axis first
};

/// Base of the transposed convolutions over `axes` spatial axes.
class TransposedConvLayer : public ConvLayer {
 public:
  std::string extra_repr() const override;

 protected:
  /// Throws ValueError as ConvLayer does, and for an output_padding that is less than neither stride nor dilation.
  TransposedConvLayer(const char* stem, std::size_t axes, std::int64_t in_channels, std::int64_t out_channels,
                      const PerAxis& kernel_size, const ConvTransposeLayerOptions& options);
  ConvTransposeOptions options_;
};

}  // namespace detail

/// Convolution over 1 to 3 spatial axes.
template <std::size_t axes>
class Conv : public detail::ForwardConvLayer {
 public:
  /// Throws ValueError for channels or groups that are not positive, and for groups that do not divide the channels.
  Conv(std::int64_t in_channels, std::int64_t out_channels, const PerAxis& kernel_size,
       const ConvLayerOptions& options = {})
      : ForwardConvLayer("Conv", axes, in_channels, out_channels, kernel_size, options) {}
  NORMGRAD_DECLARE_MEMBERS(Conv)
  Tensor forward(const Tensor& x) override;
  Epilogue fusable(const Epilogue& offered, const Tensor& x) const override;
};
using Conv1d = Conv<1>;  ///< x: [N, in_channels, L] -> [N, out_channels, L']
using Conv2d = Conv<2>;  ///< x: [N, in_channels, H, W] -> [N, out_channels, H', W']
using Conv3d = Conv<3>;  ///< x: [N, in_channels, D, H, W] -> [N, out_channels, D', H', W']

/// Transposed convolution over 1 to 3 spatial axes. The result is larger than x where the stride is above 1. As in
/// PyTorch, fan_in is out_channels / groups times the number of kernel elements.
template <std::size_t axes>
class ConvTranspose : public detail::TransposedConvLayer {
 public:
  /// Throws ValueError as Conv does, and for an output_padding that is less than neither stride nor dilation.
  ConvTranspose(std::int64_t in_channels, std::int64_t out_channels, const PerAxis& kernel_size,
                const ConvTransposeLayerOptions& options = {})
      : TransposedConvLayer("ConvTranspose", axes, in_channels, out_channels, kernel_size, options) {}
  NORMGRAD_DECLARE_MEMBERS(ConvTranspose)
  Tensor forward(const Tensor& x) override;
};
using ConvTranspose1d = ConvTranspose<1>;  ///< x: [N, in_channels, L] -> [N, out_channels, L']
using ConvTranspose2d = ConvTranspose<2>;  ///< x: [N, in_channels, H, W] -> [N, out_channels, H', W']
using ConvTranspose3d = ConvTranspose<3>;  ///< x: [N, in_channels, D, H, W] -> [N, out_channels, D', H', W']

}  // namespace normgrad
