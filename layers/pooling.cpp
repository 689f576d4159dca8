#include "normgrad/layers/pooling.hpp"

#include "normgrad/layers/module/fusing.hpp"

#include <type_traits>

namespace normgrad {

NORMGRAD_DEFINE_MEMBERS(MaxPool1d)
NORMGRAD_DEFINE_MEMBERS(MaxPool2d)
NORMGRAD_DEFINE_MEMBERS(MaxPool3d)
NORMGRAD_DEFINE_MEMBERS(AvgPool1d)
NORMGRAD_DEFINE_MEMBERS(AvgPool2d)
NORMGRAD_DEFINE_MEMBERS(AvgPool3d)
NORMGRAD_DEFINE_MEMBERS(LPPool1d)
NORMGRAD_DEFINE_MEMBERS(LPPool2d)
NORMGRAD_DEFINE_MEMBERS(AdaptiveAvgPool1d)
NORMGRAD_DEFINE_MEMBERS(AdaptiveAvgPool2d)
NORMGRAD_DEFINE_MEMBERS(AdaptiveAvgPool3d)
NORMGRAD_DEFINE_MEMBERS(AdaptiveMaxPool1d)
NORMGRAD_DEFINE_MEMBERS(AdaptiveMaxPool2d)
NORMGRAD_DEFINE_MEMBERS(AdaptiveMaxPool3d)
NORMGRAD_DEFINE_MEMBERS(MaxUnpool1d)
NORMGRAD_DEFINE_MEMBERS(MaxUnpool2d)
NORMGRAD_DEFINE_MEMBERS(MaxUnpool3d)

namespace detail {

namespace {

// "3", or as Python prints a tuple: "(3, 5)".
std::string sizes_text(const PerAxis& sizes) {
  std::string text = std::to_string(sizes[0]);
  for (std::size_t i = 1; i < sizes.count(); ++i) {
    text += ", " + std::to_string(sizes[i]);
  }
  return sizes.count() == 0 ? text : sizes.count() == 1 ? "(" + text + ",)" : "(" + text + ")";
}

void check_window(const char* name, std::size_t axes, const PerAxis& kernel_size, const std::optional<PerAxis>& stride,
                  const PerAxis& padding) {
  kernel_size.resolve(name, "kernel_size", axes, 1, 1);
  if (stride) {
    stride->resolve(name, "stride", axes, 1, 1);
  }
  padding.resolve(name, "padding", axes, 0, 0);
  for (std::size_t i = 0; i < axes; ++i) {
    require<ValueError>(padding[i] <= kernel_size[i] / 2, name,
                        ": expected padding of at most half of the window but got padding ", padding,
                        " for kernel_size ", kernel_size);
  }
}

}  // namespace

void check_pool(const char* name, std::size_t axes, const PerAxis& kernel_size, const MaxPoolOptions& options) {
  check_window(name, axes, kernel_size, options.stride, options.padding);
  options.dilation.resolve(name, "dilation", axes, 1, 1);
}

void check_pool(const char* name, std::size_t axes, const PerAxis& kernel_size, const AvgPoolOptions& options) {
  check_window(name, axes, kernel_size, options.stride, options.padding);
  require<ValueError>(options.divisor_override.value_or(1) >= 1, name,
                      ": expected a divisor_override of at least 1 but got ", options.divisor_override.value_or(1));
}

void check_pool(const char* name, std::size_t axes, const PerAxis& kernel_size, const MaxUnpoolOptions& options) {
  check_window(name, axes, kernel_size, options.stride, options.padding);
}

template <class Options>
std::string PoolLayer<Options>::extra_repr() const {
  std::string text = "kernel_size=" + sizes_text(kernel_size_) +
                     ", stride=" + sizes_text(options_.stride.value_or(kernel_size_)) +
                     ", padding=" + sizes_text(options_.padding);
  if constexpr (std::is_same_v<Options, MaxPoolOptions>) {
    text += ", dilation=" + sizes_text(options_.dilation);
    text += options_.ceil_mode ? ", ceil_mode=true" : "";
  } else if constexpr (std::is_same_v<Options, AvgPoolOptions>) {
    text += options_.ceil_mode ? ", ceil_mode=true" : "";
    text += options_.count_include_pad ? "" : ", count_include_pad=false";
    text += options_.divisor_override ? ", divisor_override=" + std::to_string(*options_.divisor_override) : "";
  }
  return text;
}

template class PoolLayer<MaxPoolOptions>;
template class PoolLayer<AvgPoolOptions>;
template class PoolLayer<MaxUnpoolOptions>;

std::string AdaptivePoolLayer::extra_repr() const { return "output_size=" + sizes_text(output_size_); }

LPPoolLayer::LPPoolLayer(const char* name, std::size_t axes, double norm_type, const PerAxis& kernel_size,
                         const LPPoolOptions& options)
    : norm_type_(norm_type), kernel_size_(kernel_size), options_(options) {
  require<ValueError>(norm_type != 0.0, name, ": expected a norm_type other than 0");
  check_window(name, axes, kernel_size, options.stride, 0);
}

std::string LPPoolLayer::extra_repr() const {
  return concat("norm_type=", norm_type_, ", kernel_size=", sizes_text(kernel_size_),
                ", stride=", sizes_text(options_.stride.value_or(kernel_size_)),
                options_.ceil_mode ? ", ceil_mode=true" : "");
}

}  // namespace detail

Tensor MaxPool1d::forward(const Tensor& x) { return max_pool1d(x, kernel_size_, options_); }

Tensor MaxPool2d::forward(const Tensor& x) { return max_pool2d(x, kernel_size_, options_); }

Tensor MaxPool3d::forward(const Tensor& x) { return max_pool3d(x, kernel_size_, options_); }

Tensor AvgPool1d::forward(const Tensor& x) { return avg_pool1d(x, kernel_size_, options_); }

Tensor AvgPool2d::forward(const Tensor& x) { return avg_pool2d(x, kernel_size_, options_); }

Tensor AvgPool3d::forward(const Tensor& x) { return avg_pool3d(x, kernel_size_, options_); }

Tensor LPPool1d::forward(const Tensor& x) { return lp_pool1d(x, norm_type_, kernel_size_, options_); }

Tensor LPPool2d::forward(const Tensor& x) { return lp_pool2d(x, norm_type_, kernel_size_, options_); }

Tensor AdaptiveAvgPool1d::forward(const Tensor& x) { return adaptive_avg_pool1d(x, output_size_); }

Tensor AdaptiveAvgPool2d::forward(const Tensor& x) { return adaptive_avg_pool2d(x, output_size_); }

Tensor AdaptiveAvgPool3d::forward(const Tensor& x) { return adaptive_avg_pool3d(x, output_size_); }

Tensor AdaptiveMaxPool1d::forward(const Tensor& x) { return adaptive_max_pool1d(x, output_size_); }

Tensor AdaptiveMaxPool2d::forward(const Tensor& x) { return adaptive_max_pool2d(x, output_size_); }

Tensor AdaptiveMaxPool3d::forward(const Tensor& x) { return adaptive_max_pool3d(x, output_size_); }

Tensor MaxUnpool1d::forward(const Tensor& x, const Tensor& indices) {
  return max_unpool1d(x, indices, kernel_size_, options_);
}

Tensor MaxUnpool2d::forward(const Tensor& x, const Tensor& indices) {
  return max_unpool2d(x, indices, kernel_size_, options_);
}

Tensor MaxUnpool3d::forward(const Tensor& x, const Tensor& indices) {
  return max_unpool3d(x, indices, kernel_size_, options_);
}

// Without padding, max pooling and ReLU commute, in values and gradients.
Epilogue MaxPool1d::as_epilogue() const {
  return {.pooling_follows = detail::is_fusable_as<MaxPool1d>(*this) && options_.padding == PerAxis(0)};
}

Epilogue MaxPool2d::as_epilogue() const {
  Epilogue epilogue;
  if (!detail::is_fusable_as<MaxPool2d>(*this) || options_.padding != PerAxis(0)) {
    return epilogue;
  }
  epilogue.pooling_follows = true;
  if (!options_.ceil_mode && options_.dilation == PerAxis(1) &&
      options_.stride.value_or(kernel_size_) == kernel_size_) {
    const auto window = kernel_size_.resolve("MaxPool2d", "kernel_size", 2, 1, 1);
    epilogue.window_height = window[1];
    epilogue.window_width = window[2];
  }
  return epilogue;
}

}  // namespace normgrad
