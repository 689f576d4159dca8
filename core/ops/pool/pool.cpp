#include "normgrad/core/ops/pool/pool.hpp"

#include <algorithm>
#include <limits>
#include <span>

#include "normgrad/core/autograd/record.hpp"
#include "normgrad/core/base/detail/checked.hpp"
#include "normgrad/core/kernels/pool/pool.hpp"
#include "normgrad/core/ops/detail/memory_format.hpp"
#include "normgrad/core/ops/detail/pool.hpp"

namespace normgrad {

namespace {

using kernels::MeanGeometry;
using kernels::MeanWindows;
using kernels::PoolGeometry;
using Sizes = PoolGeometry::Sizes;

using detail::MemoryFormat;

// Pooling over `axes` spatial axes keeps the memory format of its input. Without a batch axis, C is not the axis that
// channels-last refers to.
MemoryFormat format_of(const Tensor& x, std::size_t axes) { return {x, x.shape().rank() == axes + 2}; }

// Sets the number of planes and the strides: `inner` is C for channels-last, otherwise 1.
template <class Geometry>
void set_planes(const MemoryFormat& format, const Shape& x, std::size_t axes, Geometry& g) {
  g.inner = format.is_channels_last() ? x[1] : 1;
  g.outer = 1;
  for (std::size_t i = 0; i < x.rank() - axes; ++i) {
    g.outer *= format.is_channels_last() && i == 1 ? 1 : x[i];
  }
}

// The argmax of each window. Max pooling is linear in x for a fixed argmax.
struct Selection {
  PoolGeometry geometry;
  MemoryFormat format;
  Shape x_shape, y_shape;
  Buffer index;

  const std::int32_t* at() const noexcept { return reinterpret_cast<const std::int32_t*>(index.data()); }
};

Tensor scatter_selected(const Selection& selection, const Tensor& gy);

Tensor gather_selected(const Selection& selection, const Tensor& x) {
  Tensor y = selection.format.empty(selection.y_shape, x.dtype());
  const Tensor from = selection.format.converted(x);
  dispatch_float("max_pool", x.dtype(), [&](auto zero) {
    using T = decltype(zero);
    kernels::max_pool_gather(selection.geometry, selection.format.read<T>(from), selection.at(),
                             y.mutable_physical_data<T>());
  });
  return record("max_pool_gather", std::move(y), {x},
                [selection](const Tensor& gy, GradSink& into) { into.add(0, scatter_selected(selection, gy)); });
}

Tensor scatter_selected(const Selection& selection, const Tensor& gy) {
  Tensor gx = selection.format.empty(selection.x_shape, gy.dtype());
  const Tensor from = selection.format.converted(gy);
  dispatch_float("max_pool", gy.dtype(), [&](auto zero) {
    using T = decltype(zero);
    kernels::max_pool_scatter(selection.geometry, selection.format.read<T>(from), selection.at(),
                              gx.mutable_physical_data<T>());
  });
  return record("max_pool_scatter", std::move(gx), {gy},
                [selection](const Tensor& g, GradSink& into) { into.add(0, gather_selected(selection, g)); });
}

void check_rank(const char* name, std::size_t axes, const Tensor& x) {
  const std::size_t rank = x.shape().rank();
  require<ShapeError>(rank == axes + 2 || rank == axes + 1, name, ": expected a ", axes + 2,
                      "-D input [N, C, ...] or a ", axes + 1, "-D input [C, ...] but got ", x.shape());
}

Sizes spatial_sizes(const Shape& shape, std::size_t axes) {
  Sizes sizes{1, 1, 1};
  std::copy_n(shape.end() - axes, axes, sizes.end() - static_cast<std::ptrdiff_t>(axes));
  return sizes;
}

Shape with_spatial_sizes(Shape shape, const Sizes& sizes, std::size_t axes) {
  for (std::size_t i = 0; i < axes; ++i) {
    shape[shape.rank() - axes + i] = sizes[sizes.size() - axes + i];
  }
  return shape;
}

PoolGeometry geometry_of(const char* name, std::size_t axes, const Tensor& x, const PerAxis& kernel,
                         const PerAxis& stride, const PerAxis& padding, const PerAxis& dilation) {
  check_rank(name, axes, x);
  PoolGeometry g;
  g.in = spatial_sizes(x.shape(), axes);
  g.kernel = kernel.resolve(name, "kernel_size", axes, 1, 1);
  g.stride = stride.resolve(name, "stride", axes, 1, 1);
  g.padding = padding.resolve(name, "padding", axes, 0, 0);
  g.dilation = dilation.resolve(name, "dilation", axes, 1, 1);
  for (std::size_t i = 0; i < g.in.size(); ++i) {
    require<ShapeError>(g.in[i] >= 1, name, ": expected spatial axes that are not empty but got ", x.shape());
    require<ValueError>(g.padding[i] <= g.kernel[i] / 2, name, ": expected padding of at most half of kernel_size but ",
                        "got padding ", padding, " for kernel_size ", kernel);
    const std::int64_t padded = detail::checked_add(name, g.in[i], 2 * g.padding[i]);
    const std::int64_t room = padded - 1 - detail::checked_mul(name, g.dilation[i], g.kernel[i] - 1);
    require<ShapeError>(room >= 0, name, ": expected a window no larger than the padded input but got kernel_size ",
                        kernel, " (padding ", padding, ", dilation ", dilation, ") on an input ", x.shape());
    // Steps beyond the end are equivalent.
    g.stride[i] = std::min(g.stride[i], padded);
    g.dilation[i] = std::min(g.dilation[i], padded);
    g.out[i] = room / g.stride[i] + 1;
  }
  return g;
}

Tensor max_pool_nd(const char* name, std::size_t axes, const Tensor& x, const PerAxis& kernel,
                   const MaxPoolOptions& options) {
  Selection selection;
  PoolGeometry& g = selection.geometry;
  g = geometry_of(name, axes, x, kernel, options.stride.value_or(kernel), options.padding, options.dilation);
  const std::int64_t positions = Shape(std::span(g.in)).numel();
  require<ShapeError>(positions <= std::numeric_limits<std::int32_t>::max(), name,
                      ": expected planes of at most 2^31 - 1 elements but got ", x.shape());
  selection.format = format_of(x, axes);
  set_planes(selection.format, x.shape(), axes, g);
  selection.x_shape = x.shape();
  selection.y_shape = with_spatial_sizes(x.shape(), g.out, axes);
  selection.index = Buffer(static_cast<std::size_t>(selection.y_shape.numel()) * sizeof(std::int32_t));
  Tensor y = selection.format.empty(selection.y_shape, x.dtype());
  dispatch_float(name, x.dtype(), [&](auto zero) {
    using T = decltype(zero);
    kernels::max_pool(g, selection.format.read<T>(x), y.mutable_physical_data<T>(),
                      reinterpret_cast<std::int32_t*>(selection.index.data()));
  });
  return record(name, std::move(y), {x},
                [selection](const Tensor& gy, GradSink& into) { into.add(0, scatter_selected(selection, gy)); });
}

struct MeanPool {
  MeanGeometry geometry;
  MemoryFormat format;
  Shape x_shape, y_shape;
};

Tensor spread(const MeanPool& pool, const Tensor& gy);

Tensor mean_windows(const char* name, const MeanPool& pool, const Tensor& x) {
  Tensor y = pool.format.empty(pool.y_shape, x.dtype());
  const Tensor from = pool.format.converted(x);
  dispatch_float(name, x.dtype(), [&](auto zero) {
    using T = decltype(zero);
    kernels::mean_pool(pool.geometry, pool.format.read<T>(from), y.mutable_physical_data<T>());
  });
  return record(name, std::move(y), {x}, [pool](const Tensor& gy, GradSink& into) { into.add(0, spread(pool, gy)); });
}

Tensor spread(const MeanPool& pool, const Tensor& gy) {
  Tensor gx = pool.format.empty(pool.x_shape, gy.dtype());
  const Tensor from = pool.format.converted(gy);
  dispatch_float("avg_pool", gy.dtype(), [&](auto zero) {
    using T = decltype(zero);
    kernels::mean_pool_adjoint(pool.geometry, pool.format.read<T>(from), gx.mutable_physical_data<T>());
  });
  return record("avg_pool_adjoint", std::move(gx), {gy},
                [pool](const Tensor& g, GradSink& into) { into.add(0, mean_windows("avg_pool", pool, g)); });
}

Tensor avg_pool_nd(const char* name, std::size_t axes, const Tensor& x, const PerAxis& kernel,
                   const AvgPoolOptions& options) {
  const PoolGeometry g = geometry_of(name, axes, x, kernel, options.stride.value_or(kernel), options.padding, 1);
  MeanPool pool{.geometry = {},
                .format = format_of(x, axes),
                .x_shape = x.shape(),
                .y_shape = with_spatial_sizes(x.shape(), g.out, axes)};
  set_planes(pool.format, x.shape(), axes, pool.geometry);
  for (std::size_t i = 0; pool.y_shape.numel() != 0 && i < pool.geometry.axes.size(); ++i) {
    pool.geometry.axes[i] =
        MeanWindows::regular(g.in[i], g.out[i], g.kernel[i], g.stride[i], g.padding[i], options.count_include_pad);
  }
  return mean_windows(name, pool, x);
}

}  // namespace

Tensor detail::max_pool2d_backward(const Tensor& gy, const Tensor& x, const PerAxis& kernel_size, const Buffer& index) {
  Selection selection;
  selection.geometry = geometry_of("max_pool2d", 2, x, kernel_size, kernel_size, 0, 1);
  selection.format = MemoryFormat(true);
  set_planes(selection.format, x.shape(), 2, selection.geometry);
  selection.x_shape = x.shape();
  selection.y_shape = gy.shape();
  selection.index = index;
  return scatter_selected(selection, gy);
}

Tensor max_pool1d(const Tensor& x, const PerAxis& kernel_size, const MaxPoolOptions& options) {
  return max_pool_nd("max_pool1d", 1, x, kernel_size, options);
}

Tensor max_pool2d(const Tensor& x, const PerAxis& kernel_size, const MaxPoolOptions& options) {
  return max_pool_nd("max_pool2d", 2, x, kernel_size, options);
}

Tensor avg_pool1d(const Tensor& x, const PerAxis& kernel_size, const AvgPoolOptions& options) {
  return avg_pool_nd("avg_pool1d", 1, x, kernel_size, options);
}

Tensor avg_pool2d(const Tensor& x, const PerAxis& kernel_size, const AvgPoolOptions& options) {
  return avg_pool_nd("avg_pool2d", 2, x, kernel_size, options);
}

Tensor adaptive_avg_pool2d(const Tensor& x, const PerAxis& output_size) {
  constexpr const char* kName = "adaptive_avg_pool2d";
  check_rank(kName, 2, x);
  const Sizes in = spatial_sizes(x.shape(), 2);
  const Sizes out = output_size.resolve(kName, "output_size", 2, 1, 1);
  require<ShapeError>(in[1] >= 1 && in[2] >= 1, kName, ": expected spatial axes that are not empty but got ",
                      x.shape());
  MeanPool pool{.geometry = {},
                .format = format_of(x, 2),
                .x_shape = x.shape(),
                .y_shape = with_spatial_sizes(x.shape(), out, 2)};
  set_planes(pool.format, x.shape(), 2, pool.geometry);
  for (std::size_t i = 0; pool.y_shape.numel() != 0 && i < pool.geometry.axes.size(); ++i) {
    pool.geometry.axes[i] = MeanWindows::adaptive(in[i], out[i]);
  }
  return mean_windows(kName, pool, x);
}

}  // namespace normgrad
