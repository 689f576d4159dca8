#include "normgrad/layers/conv.hpp"

#include <algorithm>
#include <array>

#include "normgrad/core/ops/detail/conv_relu.hpp"
#include "normgrad/core/ops/image/image.hpp"
#include "normgrad/layers/detail/over_axes.hpp"
#include "normgrad/layers/init/init.hpp"
#include "normgrad/layers/module/fusing.hpp"

namespace normgrad {

NORMGRAD_DEFINE_MEMBERS_OVER_AXES(Conv, "Conv", weight, bias)
NORMGRAD_DEFINE_MEMBERS_OVER_AXES(ConvTranspose, "ConvTranspose", weight, bias)

namespace detail {

namespace {

// The sizes as Python prints a tuple: "(3, 5)", "(3,)".
std::string tuple(const PerAxis& sizes, std::size_t axes) {
  std::string text = "(";
  for (std::size_t i = 0; i < axes; ++i) {
    text += (i > 0 ? ", " : "") + std::to_string(sizes[i]);
  }
  return text + (axes == 1 ? ",)" : ")");
}

bool differs(const PerAxis& sizes, std::size_t axes, std::int64_t from) {
  for (std::size_t i = 0; i < axes; ++i) {
    if (sizes[i] != from) {
      return true;
    }
  }
  return false;
}

}  // namespace

ConvLayer::ConvLayer(const char* stem, std::size_t axes, std::int64_t in_channels, std::int64_t out_channels,
                     const PerAxis& kernel_size, const ConvLayerOptions& options, bool transposed)
    : axes_(axes), in_channels_(in_channels), out_channels_(out_channels), kernel_size_(kernel_size) {
  const std::string full_name = name_over_axes(stem, axes);
  const char* name = full_name.c_str();
  require<ValueError>(in_channels > 0, name, ": expected in_channels > 0 but got ", in_channels);
  require<ValueError>(out_channels > 0, name, ": expected out_channels > 0 but got ", out_channels);
  require<ValueError>(options.groups > 0, name, ": expected groups > 0 but got ", options.groups);
  require<ValueError>(in_channels % options.groups == 0 && out_channels % options.groups == 0, name,
                      ": expected in_channels and out_channels divisible by groups = ", options.groups, " but got ",
                      in_channels, " and ", out_channels);
  const auto kernel = kernel_size.resolve(name, "kernel_size", axes, 1, 1);
  options.stride.resolve(name, "stride", axes, 1, 1);
  options.padding.sizes().resolve(name, "padding", axes, 0, 0);
  options.dilation.resolve(name, "dilation", axes, 1, 1);

  Shape shape = transposed ? Shape{in_channels, out_channels / options.groups}
                           : Shape{out_channels, in_channels / options.groups};
  for (std::size_t i = kernel.size() - axes; i < kernel.size(); ++i) {
    shape.push_back(kernel[i]);
  }
  weight = Parameter(Tensor::empty(shape, options.dtype));
  if (options.bias) {
    bias = Parameter(Tensor::empty({out_channels}, options.dtype));
  }
  reset_parameters(options.generator);
}

void ConvLayer::reset_parameters(Generator* generator) { init_weight_and_bias_(weight, bias, generator); }

std::string ConvLayer::repr(const PerAxis& stride, const ConvPadding& padding, const PerAxis& dilation,
                            const PerAxis& output_padding, std::int64_t groups) const {
  std::string text = concat(in_channels_, ", ", out_channels_, ", kernel_size=", tuple(kernel_size_, axes_),
                            ", stride=", tuple(stride, axes_));
  if (padding.is_same()) {
    text += ", padding=same";
  } else if (differs(padding.sizes(), axes_, 0)) {
    text += ", padding=" + tuple(padding.sizes(), axes_);
  }
  if (differs(dilation, axes_, 1)) {
    text += ", dilation=" + tuple(dilation, axes_);
  }
  if (differs(output_padding, axes_, 0)) {
    text += ", output_padding=" + tuple(output_padding, axes_);
  }
  if (groups != 1) {
    text += ", groups=" + std::to_string(groups);
  }
  return bias.defined() ? text : text + ", bias=false";
}

ForwardConvLayer::ForwardConvLayer(const char* stem, std::size_t axes, std::int64_t in_channels,
                                   std::int64_t out_channels, const PerAxis& kernel_size,
                                   const ConvLayerOptions& options)
    : ConvLayer(stem, axes, in_channels, out_channels, kernel_size, options, false),
      options_{options.stride, options.padding, options.dilation, options.groups},
      padding_(options.padding),
      padding_mode_(options.padding_mode) {
  const std::string full_name = name_over_axes(stem, axes);
  const char* name = full_name.c_str();
  const auto stride = options.stride.resolve(name, "stride", axes, 1, 1);
  const bool steps = std::any_of(stride.begin(), stride.end(), [](std::int64_t step) { return step != 1; });
  require<ValueError>(!padding_.is_same() || !steps, name, ": expected a stride of 1 for padding \"same\" but got ",
                      options.stride);
  require<ValueError>(padding_mode_ == "zeros" || padding_mode_ == "reflect" || padding_mode_ == "replicate" ||
                          padding_mode_ == "circular",
                      name, ": expected padding_mode \"zeros\", \"reflect\", \"replicate\" or \"circular\" but got \"",
                      padding_mode_, "\"");
  if (padding_mode_ == "zeros") {
    return;
  }
  options_.padding = 0;
  for (std::size_t i = axes; i-- > 0;) {
    const std::int64_t total =
        padding_.is_same() ? options.dilation[i] * (kernel_size[i] - 1) : 2 * padding_.sizes()[i];
    around_.push_back(total / 2);
    around_.push_back(total - total / 2);
  }
}

std::string ForwardConvLayer::extra_repr() const {
  const std::string text = repr(options_.stride, padding_, options_.dilation, 0, options_.groups);
  return padding_mode_ == "zeros" ? text : text + ", padding_mode=" + padding_mode_;
}

Tensor ForwardConvLayer::padded(const Tensor& x) const { return around_.empty() ? x : pad(x, around_, padding_mode_); }

Tensor ForwardConvLayer::forward_fused(const Tensor& x, const Epilogue& epilogue) {
  return epilogue.activation == FusedActivation::relu && !epilogue.pools()
             ? conv_relu(num_axes(), padded(x), weight, bias, options_)
             : ConvLayer::forward_fused(x, epilogue);
}

TransposedConvLayer::TransposedConvLayer(const char* stem, std::size_t axes, std::int64_t in_channels,
                                         std::int64_t out_channels, const PerAxis& kernel_size,
                                         const ConvTransposeLayerOptions& options)
    : ConvLayer(stem, axes, in_channels, out_channels, kernel_size,
                {.stride = options.stride,
                 .padding = options.padding,
                 .dilation = options.dilation,
                 .groups = options.groups,
                 .bias = options.bias,
                 .dtype = options.dtype,
                 .generator = options.generator},
                true),
      options_{.stride = options.stride,
               .padding = options.padding,
               .output_padding = options.output_padding,
               .groups = options.groups,
               .dilation = options.dilation} {
  const std::string full_name = name_over_axes(stem, axes);
  const char* name = full_name.c_str();
  options.output_padding.resolve(name, "output_padding", axes, 0, 0);
  for (std::size_t i = 0; i < axes; ++i) {
    require<ValueError>(options.output_padding[i] < std::max(options.stride[i], options.dilation[i]), name,
                        ": expected output_padding below stride or dilation but got ", options.output_padding);
  }
}

std::string TransposedConvLayer::extra_repr() const {
  return repr(options_.stride, options_.padding, options_.dilation, options_.output_padding, options_.groups);
}

}  // namespace detail

constexpr std::array kConvs = {&conv1d, &conv2d, &conv3d};
constexpr std::array kConvTransposes = {&conv_transpose1d, &conv_transpose2d, &conv_transpose3d};

template <std::size_t axes>
Tensor Conv<axes>::forward(const Tensor& x) {
  return kConvs[axes - 1](padded(x), weight, bias, options_);
}

// Declines ReLU if pooling follows, since after pooling ReLU has fewer elements to compute.
template <std::size_t axes>
Epilogue Conv<axes>::fusable(const Epilogue& offered, const Tensor& /*x*/) const {
  return detail::is_fusable_as<Conv>(*this) && offered.activation == FusedActivation::relu && !offered.pooling_follows
             ? Epilogue{.activation = FusedActivation::relu}
             : Epilogue();
}
NORMGRAD_INSTANTIATE_OVER_AXES(Conv)

template <std::size_t axes>
Tensor ConvTranspose<axes>::forward(const Tensor& x) {
  return kConvTransposes[axes - 1](x, weight, bias, options_);
}
NORMGRAD_INSTANTIATE_OVER_AXES(ConvTranspose)

}  // namespace normgrad
