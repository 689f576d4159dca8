#include "normgrad/core/ops/pool/pool.hpp"

#include <algorithm>
#include <limits>
#include <span>

#include "normgrad/core/autograd/record.hpp"
#include "normgrad/core/base/detail/checked.hpp"
#include "normgrad/core/kernels/pool/pool.hpp"
#include "normgrad/core/ops/detail/memory_format.hpp"
#include "normgrad/core/ops/detail/pool.hpp"
#include "normgrad/core/ops/elementwise/arithmetic.hpp"

namespace normgrad {

namespace {

using kernels::MeanGeometry;
using kernels::MeanWindows;
using kernels::PoolGeometry;
using PoolSizes = PoolGeometry::Sizes;

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

PoolSizes spatial_sizes(const Shape& shape, std::size_t axes) {
  PoolSizes sizes{1, 1, 1};
  std::copy_n(shape.end() - axes, axes, sizes.end() - static_cast<std::ptrdiff_t>(axes));
  return sizes;
}

Shape with_spatial_sizes(Shape shape, const PoolSizes& sizes, std::size_t axes) {
  for (std::size_t i = 0; i < axes; ++i) {
    shape[shape.rank() - axes + i] = sizes[sizes.size() - axes + i];
  }
  return shape;
}

void check_not_empty(const char* name, const PoolSizes& in, const Tensor& x) {
  require<ShapeError>(std::find(in.begin(), in.end(), 0) == in.end(), name,
                      ": expected spatial axes that are not empty but got ", x.shape());
}

PoolGeometry geometry_of(const char* name, std::size_t axes, const Tensor& x, const PerAxis& kernel,
                         const PerAxis& stride, const PerAxis& padding, const PerAxis& dilation, bool ceil_mode) {
  check_rank(name, axes, x);
  PoolGeometry g;
  g.in = spatial_sizes(x.shape(), axes);
  check_not_empty(name, g.in, x);
  g.kernel = kernel.resolve(name, "kernel_size", axes, 1, 1);
  g.stride = stride.resolve(name, "stride", axes, 1, 1);
  g.padding = padding.resolve(name, "padding", axes, 0, 0);
  g.dilation = dilation.resolve(name, "dilation", axes, 1, 1);
  for (std::size_t i = 0; i < g.in.size(); ++i) {
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
    if (ceil_mode && room % g.stride[i] != 0 && g.out[i] * g.stride[i] < g.in[i] + g.padding[i]) {
      ++g.out[i];
    }
  }
  return g;
}

void check_positions(const char* name, const PoolGeometry& g, const Tensor& x) {
  require<ShapeError>(Shape(std::span(g.in)).numel() <= std::numeric_limits<std::int32_t>::max(), name,
                      ": expected planes of at most 2^31 - 1 elements but got ", x.shape());
}

// The positions as a tensor; -1 for a window that consists only of padding.
Tensor indices_of(const Selection& selection) {
  Tensor indices = selection.format.empty(selection.y_shape, kInt64);
  std::copy_n(selection.at(), indices.numel(), indices.mutable_physical_data<std::int64_t>());
  return indices;
}

void note_geometry(const PoolGeometry& g, bool count_include_pad = true, std::int64_t divisor = 0) {
  detail::note_arguments("in", g.in, "out", g.out, "kernel", g.kernel, "stride", g.stride, "padding", g.padding,
                         "dilation", g.dilation, "count_include_pad", count_include_pad, "divisor", divisor);
}

Tensor record_selection(const char* name, Tensor y, const Tensor& x, const Selection& selection) {
  return record(name, std::move(y), {x},
                [selection](const Tensor& gy, GradSink& into) { into.add(0, scatter_selected(selection, gy)); });
}

// Only computes `indices` if they are wanted.
MaxPoolResult max_pool_nd(const char* name, std::size_t axes, const Tensor& x, const PerAxis& kernel,
                          const MaxPoolOptions& options, bool with_indices = false) {
  Selection selection;
  PoolGeometry& g = selection.geometry;
  g = geometry_of(name, axes, x, kernel, options.stride.value_or(kernel), options.padding, options.dilation,
                  options.ceil_mode);
  check_positions(name, g, x);
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
  note_geometry(g);
  return {record_selection(name, std::move(y), x, selection), with_indices ? indices_of(selection) : Tensor()};
}

MaxPoolResult adaptive_max_pool_nd(const char* name, std::size_t axes, const Tensor& x, const PerAxis& output_size,
                                   bool with_indices = false) {
  check_rank(name, axes, x);
  Selection selection;
  PoolGeometry& g = selection.geometry;
  g.in = spatial_sizes(x.shape(), axes);
  g.out = output_size.resolve(name, "output_size", axes, 1, 1);
  check_not_empty(name, g.in, x);
  check_positions(name, g, x);
  set_planes(selection.format, x.shape(), axes, g);  // row-major: the windows differ, which its kernels do not mind
  selection.x_shape = x.shape();
  selection.y_shape = with_spatial_sizes(x.shape(), g.out, axes);
  selection.index = Buffer(static_cast<std::size_t>(selection.y_shape.numel()) * sizeof(std::int32_t));
  Tensor y = Tensor::empty(selection.y_shape, x.dtype());
  dispatch_float(name, x.dtype(), [&](auto zero) {
    using T = decltype(zero);
    kernels::adaptive_max_pool(g, x.data<T>(), y.mutable_data<T>(),
                               reinterpret_cast<std::int32_t*>(selection.index.data()));
  });
  detail::note_arguments("in", g.in, "out", g.out);
  return {record_selection(name, std::move(y), x, selection), with_indices ? indices_of(selection) : Tensor()};
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
  require<ValueError>(options.divisor_override.value_or(1) >= 1, name, ": expected divisor_override >= 1 but got ",
                      options.divisor_override.value_or(1));
  const PoolGeometry g =
      geometry_of(name, axes, x, kernel, options.stride.value_or(kernel), options.padding, 1, options.ceil_mode);
  MeanPool pool{.geometry = {},
                .format = format_of(x, axes),
                .x_shape = x.shape(),
                .y_shape = with_spatial_sizes(x.shape(), g.out, axes)};
  set_planes(pool.format, x.shape(), axes, pool.geometry);
  for (std::size_t i = 0; pool.y_shape.numel() != 0 && i < pool.geometry.axes.size(); ++i) {
    pool.geometry.axes[i] =
        MeanWindows::regular(g.in[i], g.out[i], g.kernel[i], g.stride[i], g.padding[i], options.count_include_pad);
    if (options.divisor_override) {
      auto& sizes = pool.geometry.axes[i].size;
      std::fill(sizes.begin(), sizes.end(), i == 2 ? *options.divisor_override : 1);
    }
  }
  note_geometry(g, options.count_include_pad, options.divisor_override.value_or(0));
  return mean_windows(name, pool, x);
}

Tensor adaptive_avg_pool_nd(const char* name, std::size_t axes, const Tensor& x, const PerAxis& output_size) {
  check_rank(name, axes, x);
  const PoolSizes in = spatial_sizes(x.shape(), axes);
  const PoolSizes out = output_size.resolve(name, "output_size", axes, 1, 1);
  check_not_empty(name, in, x);
  MeanPool pool{.geometry = {},
                .format = format_of(x, axes),
                .x_shape = x.shape(),
                .y_shape = with_spatial_sizes(x.shape(), out, axes)};
  set_planes(pool.format, x.shape(), axes, pool.geometry);
  for (std::size_t i = 0; pool.y_shape.numel() != 0 && i < pool.geometry.axes.size(); ++i) {
    pool.geometry.axes[i] = MeanWindows::adaptive(in[i], out[i]);
  }
  detail::note_arguments("in", in, "out", out);
  return mean_windows(name, pool, x);
}

// As PyTorch computes it: a window cut off at the end in ceil_mode counts as if it were full of its mean.
Tensor lp_pool_nd(const char* name, std::size_t axes, const Tensor& x, double norm_type, const PerAxis& kernel,
                  const LPPoolOptions& options) {
  require<ValueError>(norm_type != 0.0, name, ": expected norm_type other than 0 but got 0");
  const Tensor means =
      avg_pool_nd(name, axes, pow(x, norm_type), kernel, {.stride = options.stride, .ceil_mode = options.ceil_mode});
  const PoolSizes sizes = kernel.resolve(name, "kernel_size", axes, 1, 1);
  return pow(mul(means, sizes[0] * sizes[1] * sizes[2]), 1.0 / norm_type);
}

}  // namespace

Tensor detail::max_pool2d_backward(const Tensor& gy, const Tensor& x, const PerAxis& kernel_size, const Buffer& index) {
  Selection selection;
  selection.geometry = geometry_of("max_pool2d", 2, x, kernel_size, kernel_size, 0, 1, false);
  selection.format = MemoryFormat(true);
  set_planes(selection.format, x.shape(), 2, selection.geometry);
  selection.x_shape = x.shape();
  selection.y_shape = gy.shape();
  selection.index = index;
  return scatter_selected(selection, gy);
}

Tensor max_pool1d(const Tensor& x, const PerAxis& kernel_size, const MaxPoolOptions& options) {
  return max_pool_nd("max_pool1d", 1, x, kernel_size, options).values;
}

MaxPoolResult max_pool1d_with_indices(const Tensor& x, const PerAxis& kernel_size, const MaxPoolOptions& options) {
  return max_pool_nd("max_pool1d", 1, x, kernel_size, options, true);
}

Tensor max_pool2d(const Tensor& x, const PerAxis& kernel_size, const MaxPoolOptions& options) {
  return max_pool_nd("max_pool2d", 2, x, kernel_size, options).values;
}

MaxPoolResult max_pool2d_with_indices(const Tensor& x, const PerAxis& kernel_size, const MaxPoolOptions& options) {
  return max_pool_nd("max_pool2d", 2, x, kernel_size, options, true);
}

Tensor max_pool3d(const Tensor& x, const PerAxis& kernel_size, const MaxPoolOptions& options) {
  return max_pool_nd("max_pool3d", 3, x, kernel_size, options).values;
}

MaxPoolResult max_pool3d_with_indices(const Tensor& x, const PerAxis& kernel_size, const MaxPoolOptions& options) {
  return max_pool_nd("max_pool3d", 3, x, kernel_size, options, true);
}

Tensor avg_pool1d(const Tensor& x, const PerAxis& kernel_size, const AvgPoolOptions& options) {
  return avg_pool_nd("avg_pool1d", 1, x, kernel_size, options);
}

Tensor avg_pool2d(const Tensor& x, const PerAxis& kernel_size, const AvgPoolOptions& options) {
  return avg_pool_nd("avg_pool2d", 2, x, kernel_size, options);
}

Tensor avg_pool3d(const Tensor& x, const PerAxis& kernel_size, const AvgPoolOptions& options) {
  return avg_pool_nd("avg_pool3d", 3, x, kernel_size, options);
}

Tensor lp_pool1d(const Tensor& x, double norm_type, const PerAxis& kernel_size, const LPPoolOptions& options) {
  return lp_pool_nd("lp_pool1d", 1, x, norm_type, kernel_size, options);
}

Tensor lp_pool2d(const Tensor& x, double norm_type, const PerAxis& kernel_size, const LPPoolOptions& options) {
  return lp_pool_nd("lp_pool2d", 2, x, norm_type, kernel_size, options);
}

Tensor adaptive_avg_pool1d(const Tensor& x, const PerAxis& output_size) {
  return adaptive_avg_pool_nd("adaptive_avg_pool1d", 1, x, output_size);
}

Tensor adaptive_max_pool1d(const Tensor& x, const PerAxis& output_size) {
  return adaptive_max_pool_nd("adaptive_max_pool1d", 1, x, output_size).values;
}

MaxPoolResult adaptive_max_pool1d_with_indices(const Tensor& x, const PerAxis& output_size) {
  return adaptive_max_pool_nd("adaptive_max_pool1d", 1, x, output_size, true);
}

Tensor adaptive_avg_pool2d(const Tensor& x, const PerAxis& output_size) {
  return adaptive_avg_pool_nd("adaptive_avg_pool2d", 2, x, output_size);
}

Tensor adaptive_max_pool2d(const Tensor& x, const PerAxis& output_size) {
  return adaptive_max_pool_nd("adaptive_max_pool2d", 2, x, output_size).values;
}

MaxPoolResult adaptive_max_pool2d_with_indices(const Tensor& x, const PerAxis& output_size) {
  return adaptive_max_pool_nd("adaptive_max_pool2d", 2, x, output_size, true);
}

Tensor adaptive_avg_pool3d(const Tensor& x, const PerAxis& output_size) {
  return adaptive_avg_pool_nd("adaptive_avg_pool3d", 3, x, output_size);
}

Tensor adaptive_max_pool3d(const Tensor& x, const PerAxis& output_size) {
  return adaptive_max_pool_nd("adaptive_max_pool3d", 3, x, output_size).values;
}

MaxPoolResult adaptive_max_pool3d_with_indices(const Tensor& x, const PerAxis& output_size) {
  return adaptive_max_pool_nd("adaptive_max_pool3d", 3, x, output_size, true);
}

}  // namespace normgrad
