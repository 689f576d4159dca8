#include "normgrad/layers/image.hpp"

#include <algorithm>

#include "normgrad/layers/detail/over_axes.hpp"

namespace normgrad {

NORMGRAD_DEFINE_MEMBERS(Upsample)
NORMGRAD_DEFINE_MEMBERS(PixelShuffle)
NORMGRAD_DEFINE_MEMBERS(PixelUnshuffle)
NORMGRAD_DEFINE_MEMBERS(Unfold)
NORMGRAD_DEFINE_MEMBERS(Fold)
NORMGRAD_DEFINE_MEMBERS_OVER_AXES(ReflectionPad, "ReflectionPad")
NORMGRAD_DEFINE_MEMBERS_OVER_AXES(ReplicationPad, "ReplicationPad")
NORMGRAD_DEFINE_MEMBERS_OVER_AXES(CircularPad, "CircularPad")
NORMGRAD_DEFINE_MEMBERS_OVER_AXES(ZeroPad, "ZeroPad")
NORMGRAD_DEFINE_MEMBERS_OVER_AXES(ConstantPad, "ConstantPad")

Upsample::Upsample(const InterpolateOptions& options) : options_(options) {
  require<ValueError>(options.size.sizes().empty() != options.scale_factor.factors().empty(),
                      "Upsample: expected either size or scale_factor but got ",
                      options.size.sizes().empty() ? "neither" : "both");
}

namespace {

// "2", or "[2, 3]".
template <class T>
std::string list_text(const std::vector<T>& values) {
  std::string text;
  for (const T value : values) {
    text += detail::concat(text.empty() ? "" : ", ", value);
  }
  return values.size() == 1 ? text : "[" + text + "]";
}

}  // namespace

std::string Upsample::extra_repr() const {
  const std::string text = options_.size.sizes().empty() ? "scale_factor=" + list_text(options_.scale_factor.factors())
                                                         : "size=" + list_text(options_.size.sizes());
  return text + ", mode='" + options_.mode + "'";
}

Tensor Upsample::forward(const Tensor& x) { return interpolate(x, options_); }

PixelShuffle::PixelShuffle(std::int64_t upscale_factor) : upscale_factor_(upscale_factor) {
  require<ValueError>(upscale_factor >= 1, "PixelShuffle: expected upscale_factor >= 1 but got ", upscale_factor);
}

std::string PixelShuffle::extra_repr() const { return detail::concat("upscale_factor=", upscale_factor_); }

Tensor PixelShuffle::forward(const Tensor& x) { return pixel_shuffle(x, upscale_factor_); }

PixelUnshuffle::PixelUnshuffle(std::int64_t downscale_factor) : downscale_factor_(downscale_factor) {
  require<ValueError>(downscale_factor >= 1, "PixelUnshuffle: expected downscale_factor >= 1 but got ",
                      downscale_factor);
}

std::string PixelUnshuffle::extra_repr() const { return detail::concat("downscale_factor=", downscale_factor_); }

Tensor PixelUnshuffle::forward(const Tensor& x) { return pixel_unshuffle(x, downscale_factor_); }

namespace {

void check_unfold(const char* name, const PerAxis& kernel_size, const UnfoldOptions& options) {
  kernel_size.resolve(name, "kernel_size", 2, 1, 1);
  options.dilation.resolve(name, "dilation", 2, 1, 1);
  options.padding.resolve(name, "padding", 2, 0, 0);
  options.stride.resolve(name, "stride", 2, 1, 1);
}

std::string unfold_text(const PerAxis& kernel_size, const UnfoldOptions& options) {
  return detail::concat("kernel_size=", kernel_size, ", dilation=", options.dilation, ", padding=", options.padding,
                        ", stride=", options.stride);
}

}  // namespace

Unfold::Unfold(const PerAxis& kernel_size, const UnfoldOptions& options)
    : kernel_size_(kernel_size), options_(options) {
  check_unfold("Unfold", kernel_size, options);
}

std::string Unfold::extra_repr() const { return unfold_text(kernel_size_, options_); }

Tensor Unfold::forward(const Tensor& x) { return unfold(x, kernel_size_, options_); }

Fold::Fold(const PerAxis& output_size, const PerAxis& kernel_size, const UnfoldOptions& options)
    : output_size_(output_size), kernel_size_(kernel_size), options_(options) {
  output_size.resolve("Fold", "output_size", 2, 1, 1);
  check_unfold("Fold", kernel_size, options);
}

std::string Fold::extra_repr() const {
  return detail::concat("output_size=", output_size_, ", ", unfold_text(kernel_size_, options_));
}

Tensor Fold::forward(const Tensor& x) { return fold(x, output_size_, kernel_size_, options_); }

namespace detail {

PadLayer::PadLayer(const char* stem, std::size_t axes, const PadSizes& padding, const char* mode, double value)
    : padding_(padding.numbers()), mode_(mode), value_(value), axes_(axes) {
  require<ShapeError>(padding_.size() == 1 || padding_.size() == 2 * axes, name_over_axes(stem, axes),
                      ": expected padding of one number or ", 2 * axes, " but got ", padding_.size());
  padding_.resize(2 * axes, padding_[0]);
}

std::string PadLayer::extra_repr() const {
  std::string text = "(";
  for (std::size_t i = 0; i < padding_.size(); ++i) {
    text += (i == 0 ? "" : ", ") + std::to_string(padding_[i]);
  }
  return value_ == 0.0 ? text + ")" : concat(text, "), value=", value_);
}

Tensor PadLayer::forward(const Tensor& x) {
  require<ShapeError>(x.shape().rank() == axes_ + 1 || x.shape().rank() == axes_ + 2, type_name(), ": expected a ",
                      axes_ + 2, "-D input [N, C, ...] or a ", axes_ + 1, "-D input [C, ...] but got ", x.shape());
  return pad(x, padding_, mode_, value_);
}

}  // namespace detail

NORMGRAD_INSTANTIATE_OVER_AXES(ReflectionPad)
NORMGRAD_INSTANTIATE_OVER_AXES(ReplicationPad)
NORMGRAD_INSTANTIATE_OVER_AXES(CircularPad)
NORMGRAD_INSTANTIATE_OVER_AXES(ZeroPad)
NORMGRAD_INSTANTIATE_OVER_AXES(ConstantPad)

}  // namespace normgrad
