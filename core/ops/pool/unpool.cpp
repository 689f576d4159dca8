#include <algorithm>

#include "normgrad/core/base/detail/checked.hpp"
#include "normgrad/core/ops/creation.hpp"
#include "normgrad/core/ops/index/index.hpp"
#include "normgrad/core/ops/pool/pool.hpp"
#include "normgrad/core/ops/shape/shape.hpp"

namespace normgrad {

namespace {

Tensor max_unpool_nd(const char* name, std::size_t axes, const Tensor& x, const Tensor& indices, const PerAxis& kernel,
                     const MaxUnpoolOptions& options) {
  const std::size_t rank = x.shape().rank();
  require<ShapeError>(rank == axes + 2 || rank == axes + 1, name, ": expected a ", axes + 2,
                      "-D input [N, C, ...] or a ", axes + 1, "-D input [C, ...] but got ", x.shape());
  require<DTypeError>(indices.dtype() == kInt64, name, ": expected int64 indices but got ", indices.dtype());
  require<ShapeError>(indices.shape() == x.shape(), name, ": expected indices of the shape of x ", x.shape(),
                      " but got ", indices.shape());
  const auto window = kernel.resolve(name, "kernel_size", axes, 1, 1);
  const auto stride = options.stride.value_or(kernel).resolve(name, "stride", axes, 1, 1);
  const auto padding = options.padding.resolve(name, "padding", axes, 0, 0);
  require<ShapeError>(options.output_size.empty() || options.output_size.size() == axes, name, ": expected ", axes,
                      " sizes in output_size but got ", options.output_size.size());
  Shape shape = x.shape();
  Shape flat(std::span(x.shape().begin(), rank - axes));
  Shape flat_out = flat;
  Shape plane;
  std::int64_t elements = 1;
  for (std::size_t i = 0; i < axes; ++i) {
    const std::size_t k = window.size() - axes + i;
    std::int64_t& size = shape[rank - axes + i];
    elements *= size;
    const std::int64_t natural = detail::checked_sub(
        name, detail::checked_add(name, detail::checked_mul(name, size - 1, stride[k]), window[k]), 2 * padding[k]);
    size = natural;
    if (!options.output_size.empty()) {
      size = options.output_size[i];
      require<ValueError>(size > natural - stride[k] && size < detail::checked_add(name, natural, stride[k]), name,
                          ": expected an output_size between ", natural - stride[k], " and ", natural + stride[k],
                          ", both excluded, but got ", size);
    }
    require<ShapeError>(size >= 1, name, ": expected a result of at least 1 element per axis but got ", size);
    plane.push_back(size);
  }
  flat.push_back(elements);
  flat_out.push_back(plane.numel());
  const auto* at = indices.data<std::int64_t>();
  for (std::int64_t i = 0; i < indices.numel(); ++i) {
    require<IndexError>(at[i] >= 0 && at[i] < plane.numel(), name, ": expected indices in [0, ", plane.numel(),
                        ") for a plane ", plane, " but got ", at[i], " at position ", i);
  }
  const Tensor none = zeros(flat_out, {.dtype = x.dtype()});
  return reshape_to(scatter(none, -1, indices.alias(flat), reshape_to(x, flat)), shape);
}

}  // namespace

Tensor max_unpool1d(const Tensor& x, const Tensor& indices, const PerAxis& kernel_size,
                    const MaxUnpoolOptions& options) {
  return max_unpool_nd("max_unpool1d", 1, x, indices, kernel_size, options);
}

Tensor max_unpool2d(const Tensor& x, const Tensor& indices, const PerAxis& kernel_size,
                    const MaxUnpoolOptions& options) {
  return max_unpool_nd("max_unpool2d", 2, x, indices, kernel_size, options);
}

Tensor max_unpool3d(const Tensor& x, const Tensor& indices, const PerAxis& kernel_size,
                    const MaxUnpoolOptions& options) {
  return max_unpool_nd("max_unpool3d", 3, x, indices, kernel_size, options);
}

}  // namespace normgrad
