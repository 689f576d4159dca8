#include "normgrad/layers/pooling.hpp"

#include <array>
#include <type_traits>

#include "normgrad/layers/detail/over_axes.hpp"
#include "normgrad/layers/module/fusing.hpp"

namespace normgrad {

NORMGRAD_DEFINE_MEMBERS_OVER_AXES(MaxPool, "MaxPool")
NORMGRAD_DEFINE_MEMBERS_OVER_AXES(AvgPool, "AvgPool")
NORMGRAD_DEFINE_MEMBERS_OVER_AXES(LPPool, "LPPool")
NORMGRAD_DEFINE_MEMBERS_OVER_AXES(AdaptiveAvgPool, "AdaptiveAvgPool")
NORMGRAD_DEFINE_MEMBERS_OVER_AXES(AdaptiveMaxPool, "AdaptiveMaxPool")
NORMGRAD_DEFINE_MEMBERS_OVER_AXES(MaxUnpool, "MaxUnpool")

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

void check_pool(const char* name, std::size_t axes, const PerAxis& kernel_size, const MaxPoolOptions& options) {
  check_window(name, axes, kernel_size, options.stride, options.padding);
  options.dilation.resolve(name, "dilation", axes, 1, 1);
}

void check_pool(const char* name, std::size_t axes, const PerAxis& kernel_size, const AvgPoolOptions& options) {
  check_window(name, axes, kernel_size, options.stride, options.padding);
  require<ValueError>(options.divisor_override.value_or(1) >= 1, name, ": expected divisor_override >= 1 but got ",
                      options.divisor_override.value_or(1));
}

void check_pool(const char* name, std::size_t axes, const PerAxis& kernel_size, const MaxUnpoolOptions& options) {
  check_window(name, axes, kernel_size, options.stride, options.padding);
}

}  // namespace

template <class Options>
PoolLayer<Options>::PoolLayer(const char* stem, std::size_t axes, const PerAxis& kernel_size, const Options& options)
    : kernel_size_(kernel_size), options_(options) {
  check_pool(name_over_axes(stem, axes).c_str(), axes, kernel_size, options);
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

AdaptivePoolLayer::AdaptivePoolLayer(const char* stem, std::size_t axes, const PerAxis& output_size)
    : output_size_(output_size) {
  output_size.resolve(name_over_axes(stem, axes).c_str(), "output_size", axes, 1, 1);
}

std::string AdaptivePoolLayer::extra_repr() const { return "output_size=" + sizes_text(output_size_); }

LPPoolLayer::LPPoolLayer(const char* stem, std::size_t axes, double norm_type, const PerAxis& kernel_size,
                         const LPPoolOptions& options)
    : norm_type_(norm_type), kernel_size_(kernel_size), options_(options) {
  const std::string name = name_over_axes(stem, axes);
  require<ValueError>(norm_type != 0.0, name, ": expected norm_type other than 0 but got 0");
  check_window(name.c_str(), axes, kernel_size, options.stride, 0);
}

std::string LPPoolLayer::extra_repr() const {
  return concat("norm_type=", norm_type_, ", kernel_size=", sizes_text(kernel_size_),
                ", stride=", sizes_text(options_.stride.value_or(kernel_size_)),
                options_.ceil_mode ? ", ceil_mode=true" : "");
}

}  // namespace detail

constexpr std::array kMaxPools = {&max_pool1d, &max_pool2d, &max_pool3d};
constexpr std::array kAvgPools = {&avg_pool1d, &avg_pool2d, &avg_pool3d};
constexpr std::array kLPPools = {&lp_pool1d, &lp_pool2d};
constexpr std::array kAdaptiveAvgPools = {&adaptive_avg_pool1d, &adaptive_avg_pool2d, &adaptive_avg_pool3d};
constexpr std::array kAdaptiveMaxPools = {&adaptive_max_pool1d, &adaptive_max_pool2d, &adaptive_max_pool3d};
constexpr std::array kMaxUnpools = {&max_unpool1d, &max_unpool2d, &max_unpool3d};

template <std::size_t axes>
Tensor MaxPool<axes>::forward(const Tensor& x) {
  return kMaxPools[axes - 1](x, kernel_size_, options_);
}

template <std::size_t axes>
Tensor AvgPool<axes>::forward(const Tensor& x) {
  return kAvgPools[axes - 1](x, kernel_size_, options_);
}

template <std::size_t axes>
Tensor LPPool<axes>::forward(const Tensor& x) {
  return kLPPools[axes - 1](x, norm_type_, kernel_size_, options_);
}

template <std::size_t axes>
Tensor AdaptiveAvgPool<axes>::forward(const Tensor& x) {
  return kAdaptiveAvgPools[axes - 1](x, output_size_);
}

template <std::size_t axes>
Tensor AdaptiveMaxPool<axes>::forward(const Tensor& x) {
  return kAdaptiveMaxPools[axes - 1](x, output_size_);
}

template <std::size_t axes>
Tensor MaxUnpool<axes>::forward(const Tensor& x, const Tensor& indices) {
  return kMaxUnpools[axes - 1](x, indices, kernel_size_, options_);
}

// Without padding, max pooling and ReLU commute, in values and gradients. Only 2-D pooling is fused.
template <std::size_t axes>
Epilogue MaxPool<axes>::as_epilogue() const {
  Epilogue epilogue;
  if (axes > 2 || !detail::is_fusable_as<MaxPool>(*this) || options_.padding != PerAxis(0)) {
    return epilogue;
  }
  epilogue.pooling_follows = true;
  if (axes == 2 && !options_.ceil_mode && options_.dilation == PerAxis(1) &&
      options_.stride.value_or(kernel_size_) == kernel_size_) {
    const auto window = kernel_size_.resolve("MaxPool2d", "kernel_size", 2, 1, 1);
    epilogue.window_height = window[1];
    epilogue.window_width = window[2];
  }
  return epilogue;
}

NORMGRAD_INSTANTIATE_OVER_AXES(MaxPool)
NORMGRAD_INSTANTIATE_OVER_AXES(AvgPool)
template class LPPool<1>;
template class LPPool<2>;
NORMGRAD_INSTANTIATE_OVER_AXES(AdaptiveAvgPool)
NORMGRAD_INSTANTIATE_OVER_AXES(AdaptiveMaxPool)
NORMGRAD_INSTANTIATE_OVER_AXES(MaxUnpool)

}  // namespace normgrad
