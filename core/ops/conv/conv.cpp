#include "normgrad/core/ops/conv/conv.hpp"

#include <algorithm>

#include "normgrad/core/autograd/record.hpp"
#include "normgrad/core/base/detail/checked.hpp"
#include "normgrad/core/kernels/conv/conv.hpp"
#include "normgrad/core/kernels/elementwise/channel_bias.hpp"
#include "normgrad/core/ops/detail/activation_kind.hpp"
#include "normgrad/core/ops/detail/conv_relu.hpp"
#include "normgrad/core/ops/detail/memory_format.hpp"
#include "normgrad/core/ops/shape/shape.hpp"

namespace normgrad {

namespace {

using kernels::ConvGeometry;

// The shape of one image, or of a batch, with `channels` and the last `axes` of the sizes.
Shape data_shape(std::int64_t n, std::int64_t channels, const ConvGeometry::Sizes& sizes, std::size_t axes) {
  Shape shape{n, channels};
  for (std::size_t i = sizes.size() - axes; i < sizes.size(); ++i) {
    shape.push_back(sizes[i]);
  }
  return shape;
}

// A convolution over `axes` spatial axes. x, w and y of this geometry have batch axes.
struct Convolution {
  const char* name;
  std::size_t axes;
  ConvGeometry geometry;

  /// Of x and y. Weights are always row-major.
  detail::MemoryFormat format() const { return detail::MemoryFormat(geometry.channels_last); }
  Shape x_shape() const { return data_shape(geometry.n, geometry.c_in, geometry.in, axes); }
  Shape y_shape() const { return data_shape(geometry.n, geometry.c_out, geometry.out, axes); }
  Shape w_shape() const { return data_shape(geometry.c_out, geometry.c_in / geometry.groups, geometry.kernel, axes); }
};

Tensor input_gradient(const Convolution& conv, const char* name, const Tensor& gy, const Tensor& w, const Tensor& bias);
Tensor weight_gradient(const Convolution& conv, const Tensor& gy, const Tensor& x);

kernels::ChannelArray channel_array(const Shape& shape, bool channels_last) {
  const std::int64_t rows = shape[0] * shape[1];
  return {shape[0], shape[1], rows == 0 ? 0 : shape.numel() / rows, channels_last};
}

// The gradient of a bias: gy summed over batch and space.
Tensor bias_gradient(const Tensor& gy) {
  Tensor gb = Tensor::empty({gy.size(1)}, gy.dtype());
  dispatch_float("conv_bias_gradient", gy.dtype(), [&](auto zero) {
    using T = decltype(zero);
    const bool one_position = gy.numel() == gy.size(0) * gy.size(1);  // both formats agree
    const bool last = gy.is_channels_last() || one_position;
    kernels::channel_sums(channel_array(gy.shape(), last), gy.physical_data<T>(), gb.mutable_data<T>());
  });
  return record("conv_bias_gradient", std::move(gb), {gy}, [shape = gy.shape()](const Tensor& g, GradSink& into) {
    Shape channels = shape;
    for (std::size_t i = 0; i < channels.rank(); ++i) {
      channels[i] = i == 1 ? shape[1] : 1;
    }
    into.add(0, expand_to(reshape_to(g, channels), shape));
  });
}

// The three functions of a convolution. Each is linear in both operands, and its derivatives are the other two, so all
// are differentiable to any order.

void note_geometry(const Convolution& conv) {
  const ConvGeometry& g = conv.geometry;
  detail::note_arguments("in", g.in, "out", g.out, "kernel", g.kernel, "stride", g.stride, "padding", g.padding,
                         "dilation", g.dilation, "groups", g.groups);
}

// y = x * w + bias. With ReLU it is recorded as the two separate operations.
Tensor convolve(const Convolution& conv, const Tensor& x, const Tensor& w, const Tensor& bias, bool relu = false) {
  Tensor y = conv.format().empty(conv.y_shape(), x.dtype());
  const Tensor from = conv.format().converted(x);
  dispatch_float(conv.name, x.dtype(), [&](auto zero) {
    using T = decltype(zero);
    kernels::conv_forward(conv.geometry, conv.format().read<T>(from), w.data<T>(),
                          bias.defined() ? bias.data<T>() : nullptr, y.mutable_physical_data<T>(), relu);
  });
  note_geometry(conv);
  Tensor z = record(
      conv.name, relu ? y.detach() : y, {x, w, bias},
      [conv, x = Saved(x, w.requires_grad()), w = Saved(w, x.requires_grad())](const Tensor& gy, GradSink& into) {
        // Converted once for all three gradients; the copy is outside any graph.
        const Tensor g = is_grad_enabled() ? gy : conv.format().converted(gy);
        if (into.wants(0)) {
          into.add(0, input_gradient(conv, "conv_input_gradient", g, w.get(), {}));
        }
        if (into.wants(1)) {
          into.add(1, weight_gradient(conv, g, x.get()));
        }
        if (into.wants(2)) {
          into.add(2, bias_gradient(g));
        }
      });
  return relu ? detail::activated(detail::kReLU, std::move(y), z) : z;
}

// gx, plus a bias if used as the transposed convolution.
Tensor input_gradient(const Convolution& conv, const char* name, const Tensor& gy, const Tensor& w,
                      const Tensor& bias) {
  Tensor gx = conv.format().empty(conv.x_shape(), gy.dtype());
  const Tensor from = conv.format().converted(gy);
  dispatch_float(name, gy.dtype(), [&](auto zero) {
    using T = decltype(zero);
    T* to = gx.mutable_physical_data<T>();
    kernels::conv_backward_input(conv.geometry, conv.format().read<T>(from), w.data<T>(), to);
    if (bias.defined()) {
      kernels::add_channel_bias(channel_array(gx.shape(), conv.geometry.channels_last), bias.data<T>(), to);
    }
  });
  note_geometry(conv);
  return record(
      name, std::move(gx), {gy, w, bias},
      [conv, gy = Saved(gy, w.requires_grad()), w = Saved(w, gy.requires_grad())](const Tensor& g, GradSink& into) {
        if (into.wants(0)) {
          into.add(0, convolve(conv, g, w.get(), {}));
        }
        if (into.wants(1)) {
          into.add(1, weight_gradient(conv, gy.get(), g));
        }
        if (into.wants(2)) {
          into.add(2, bias_gradient(g));
        }
      });
}

Tensor weight_gradient(const Convolution& conv, const Tensor& gy, const Tensor& x) {
  Tensor gw = Tensor::empty(conv.w_shape(), gy.dtype());
  const Tensor gy_from = conv.format().converted(gy);
  const Tensor x_from = conv.format().converted(x);
  dispatch_float("conv_weight_gradient", gy.dtype(), [&](auto zero) {
    using T = decltype(zero);
    kernels::conv_backward_weight(conv.geometry, conv.format().read<T>(gy_from), conv.format().read<T>(x_from),
                                  gw.mutable_data<T>());
  });
  return record(
      "conv_weight_gradient", std::move(gw), {gy, x},
      [conv, gy = Saved(gy, x.requires_grad()), x = Saved(x, gy.requires_grad())](const Tensor& g, GradSink& into) {
        if (into.wants(0)) {
          into.add(0, convolve(conv, x.get(), g, {}));
        }
        if (into.wants(1)) {
          into.add(1, input_gradient(conv, "conv_input_gradient", gy.get(), g, {}));
        }
      });
}

// float32 uses channels-last, the faster format, wherever oneDNN has a descriptor of the convolution.
bool runs_channels_last(const ConvGeometry& g, DType dtype) {
  const auto some = [](const ConvGeometry::Sizes& sizes) {
    return std::find(sizes.begin(), sizes.end(), 0) == sizes.end();
  };
  return dtype == kFloat32 && g.out == g.natural_out() && g.n != 0 && g.c_in != 0 && some(g.in) && some(g.out);
}

void check_operands(const char* name, std::size_t axes, const Tensor& x, const Tensor& weight, const Tensor& bias,
                    std::int64_t groups) {
  const auto rank = static_cast<std::int64_t>(axes) + 2;
  require<ShapeError>(x.dim() == rank || x.dim() == rank - 1, name, ": expected a ", rank, "-D input [N, C, ...] or a ",
                      rank - 1, "-D input [C, ...] but got ", x.shape());
  require<ShapeError>(weight.dim() == rank, name, ": expected a ", rank, "-D weight but got ", weight.shape());
  require<DTypeError>(weight.dtype() == x.dtype() && (!bias.defined() || bias.dtype() == x.dtype()), name,
                      ": expected input, weight and bias of the same dtype but got ", x.dtype(), ", ", weight.dtype(),
                      " and ", bias.defined() ? dtype_name(bias.dtype()) : "none", "; convert one of them with to()");
  require<ValueError>(groups >= 1, name, ": expected groups >= 1 but got ", groups);
  for (std::size_t i = 0; i < weight.shape().rank(); ++i) {
    require<ShapeError>(weight.shape()[i] >= 1, name, ": expected a weight without empty axes but got ",
                        weight.shape());
  }
}

void check_bias(const char* name, const Tensor& bias, std::int64_t channels) {
  require<ShapeError>(!bias.defined() || bias.shape() == Shape{channels}, name, ": expected a bias [", channels,
                      "] but got ", bias.defined() ? bias.shape() : Shape());
}

// Adds a batch axis to x, or removes it from the result, if x has none.
Tensor batched(const Tensor& x, std::size_t axes) {
  Shape shape = x.shape();
  if (shape.rank() == axes + 1) {
    shape.insert(0, 1);
    return reshape_to(x, shape);
  }
  return x;
}

Tensor unbatched(const Tensor& y, bool has_batch) {
  Shape shape = y.shape();
  if (!has_batch) {
    shape.erase(0);
    return reshape_to(y, shape);
  }
  return y;
}

ConvGeometry::Sizes conv_sizes(const Shape& shape, std::size_t axes) {
  ConvGeometry::Sizes sizes{1, 1, 1};
  std::copy_n(shape.end() - axes, axes, sizes.end() - static_cast<std::ptrdiff_t>(axes));
  return sizes;
}

// x with the zeros of padding "same" around it; otherwise x itself.
Tensor same_padded(const char* name, std::size_t axes, const Tensor& x, const Tensor& weight,
                   const ConvOptions& options) {
  if (!options.padding.is_same()) {
    return x;
  }
  const auto stride = options.stride.resolve(name, "stride", axes, 1, 1);
  const auto dilation = options.dilation.resolve(name, "dilation", axes, 1, 1);
  std::vector<std::int64_t> zeros;  // the last axis first
  for (std::size_t i = 0; i < axes; ++i) {
    const std::size_t k = stride.size() - 1 - i;
    require<ValueError>(stride[k] == 1, name, ": expected a stride of 1 for padding \"same\" but got ", options.stride);
    const std::int64_t total =
        detail::checked_mul(name, dilation[k], weight.size(-1 - static_cast<std::int64_t>(i)) - 1);
    zeros.push_back(total / 2);
    zeros.push_back(total - total / 2);
  }
  return pad(x, zeros);
}

Tensor conv_nd(const char* name, std::size_t axes, const Tensor& x, const Tensor& weight, const Tensor& bias,
               const ConvOptions& options, bool relu = false) {
  check_operands(name, axes, x, weight, bias, options.groups);
  const bool has_batch = x.shape().rank() == axes + 2;
  const std::int64_t c_in = x.size(has_batch ? 1 : 0);
  const std::int64_t c_out = weight.size(0);
  require<ShapeError>(c_out % options.groups == 0, name,
                      ": expected output channels divisible by groups = ", options.groups, " but got a weight ",
                      weight.shape());
  require<ShapeError>(c_in == weight.size(1) * options.groups, name, ": expected an input with ",
                      weight.size(1) * options.groups, " channels for a weight ", weight.shape(),
                      " and groups = ", options.groups, " but got ", x.shape(),
                      has_batch && axes == 2 && x.size(-1) == weight.size(1) * options.groups
                          ? "; channels come before rows and columns: x.permute({0, 3, 1, 2})"
                      : !has_batch && weight.size(1) * options.groups == 1
                          ? "; a batch of samples of one channel gets the axis with x.unsqueeze(1)"
                          : "");
  check_bias(name, bias, c_out);
  const Tensor images = same_padded(name, axes, batched(x, axes), weight, options);
  ConvGeometry g{.n = images.size(0), .c_in = c_in, .c_out = c_out, .groups = options.groups};
  g.in = conv_sizes(images.shape(), axes);
  g.kernel = conv_sizes(weight.shape(), axes);
  g.stride = options.stride.resolve(name, "stride", axes, 1, 1);
  g.padding = options.padding.sizes().resolve(name, "padding", axes, 0, 0);
  g.dilation = options.dilation.resolve(name, "dilation", axes, 1, 1);
  for (std::size_t i = 0; i < g.in.size(); ++i) {
    const std::int64_t padded = detail::checked_add(name, g.in[i], detail::checked_mul(name, 2, g.padding[i]));
    detail::checked_add(name, detail::checked_mul(name, g.dilation[i], g.kernel[i] - 1), 1);
    // Steps beyond the end are equivalent.
    g.stride[i] = std::min(g.stride[i], std::max<std::int64_t>(padded, 1));
    g.dilation[i] = g.kernel[i] == 1 ? 1 : g.dilation[i];
  }
  g.out = g.natural_out();
  for (std::size_t i = 0; i < g.out.size(); ++i) {
    require<ShapeError>(g.out[i] >= 1, name, ": expected a window no larger than the padded input but got a kernel of ",
                        g.kernel[i], " (dilation ", g.dilation[i], ") on ", g.in[i], " elements with padding ",
                        g.padding[i], "; input ", x.shape(), ", weight ", weight.shape());
  }
  g.channels_last = runs_channels_last(g, x.dtype());
  return unbatched(convolve({name, axes, g}, images, weight, bias, relu), has_batch);
}

}  // namespace

Tensor conv1d(const Tensor& x, const Tensor& weight, const Tensor& bias, const ConvOptions& options) {
  return conv_nd("conv1d", 1, x, weight, bias, options);
}

Tensor conv2d(const Tensor& x, const Tensor& weight, const Tensor& bias, const ConvOptions& options) {
  return conv_nd("conv2d", 2, x, weight, bias, options);
}

Tensor conv3d(const Tensor& x, const Tensor& weight, const Tensor& bias, const ConvOptions& options) {
  return conv_nd("conv3d", 3, x, weight, bias, options);
}

Tensor detail::conv_relu(std::size_t axes, const Tensor& x, const Tensor& weight, const Tensor& bias,
                         const ConvOptions& options) {
  constexpr const char* kNames[] = {"conv1d", "conv2d", "conv3d"};
  return conv_nd(kNames[axes - 1], axes, x, weight, bias, options, true);
}

namespace {

Tensor conv_transpose_nd(const char* name, std::size_t axes, const Tensor& x, const Tensor& weight, const Tensor& bias,
                         const ConvTransposeOptions& options) {
  check_operands(name, axes, x, weight, bias, options.groups);
  const bool has_batch = x.shape().rank() == axes + 2;
  const std::int64_t c_in = x.size(has_batch ? 1 : 0);
  require<ShapeError>(c_in == weight.size(0), name, ": expected an input with ", weight.size(0),
                      " channels for a weight ", weight.shape(), " but got ", x.shape());
  require<ShapeError>(c_in % options.groups == 0, name,
                      ": expected input channels divisible by groups = ", options.groups, " but got ", x.shape());
  check_bias(name, bias, weight.size(1) * options.groups);
  const Tensor images = batched(x, axes);
  // The convolution whose input gradient this is; x is its gy.
  ConvGeometry g{.n = images.size(0), .c_in = weight.size(1) * options.groups, .c_out = c_in, .groups = options.groups};
  g.out = conv_sizes(images.shape(), axes);
  g.kernel = conv_sizes(weight.shape(), axes);
  g.stride = options.stride.resolve(name, "stride", axes, 1, 1);
  g.padding = options.padding.resolve(name, "padding", axes, 0, 0);
  g.dilation = options.dilation.resolve(name, "dilation", axes, 1, 1);
  const auto extra = options.output_padding.resolve(name, "output_padding", axes, 0, 0);
  for (std::size_t i = 0; i < g.in.size(); ++i) {
    require<ValueError>(extra[i] < std::max(g.stride[i], g.dilation[i]), name,
                        ": expected an output_padding below stride or dilation but got ", options.output_padding,
                        " with stride ", options.stride, " and dilation ", options.dilation);
    const std::int64_t span = detail::checked_mul(name, g.dilation[i], g.kernel[i] - 1);
    const std::int64_t steps = detail::checked_mul(name, g.stride[i], g.out[i] - 1);
    g.in[i] = detail::checked_sub(name, detail::checked_add(name, detail::checked_add(name, steps, span), 1 + extra[i]),
                                  detail::checked_mul(name, 2, g.padding[i]));
    require<ShapeError>(g.in[i] >= 1 && g.out[i] >= 1, name, ": expected a result of at least 1 element per axis but ",
                        "an input ", x.shape(), ", a weight ", weight.shape(), " and padding ", options.padding,
                        " give ", g.in[i]);
    g.stride[i] = g.out[i] == 1 ? std::min(g.stride[i], g.in[i] + 2 * g.padding[i]) : g.stride[i];
    g.dilation[i] = g.kernel[i] == 1 ? 1 : g.dilation[i];
  }
  g.channels_last = runs_channels_last(g, x.dtype());
  return unbatched(input_gradient({name, axes, g}, name, images, weight, bias), has_batch);
}

}  // namespace

Tensor conv_transpose1d(const Tensor& x, const Tensor& weight, const Tensor& bias,
                        const ConvTransposeOptions& options) {
  return conv_transpose_nd("conv_transpose1d", 1, x, weight, bias, options);
}

Tensor conv_transpose2d(const Tensor& x, const Tensor& weight, const Tensor& bias,
                        const ConvTransposeOptions& options) {
  return conv_transpose_nd("conv_transpose2d", 2, x, weight, bias, options);
}

Tensor conv_transpose3d(const Tensor& x, const Tensor& weight, const Tensor& bias,
                        const ConvTransposeOptions& options) {
  return conv_transpose_nd("conv_transpose3d", 3, x, weight, bias, options);
}

}  // namespace normgrad
