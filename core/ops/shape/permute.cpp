#include <numeric>

#include "normgrad/core/autograd/record.hpp"
#include "normgrad/core/kernels/memory/copy.hpp"
#include "normgrad/core/ops/detail/memory_format.hpp"
#include "normgrad/core/ops/elementwise/arithmetic.hpp"
#include "normgrad/core/ops/shape/shape.hpp"

namespace normgrad {

Tensor clone(const Tensor& x) {
  Tensor y = detail::empty_like_format(x, x.dtype());
  kernels::copy(x.buffer().data(), y.buffer().data(), x.numel(), dtype_size(x.dtype()));
  return record("clone", std::move(y), {x}, [](const Tensor& gy, GradSink& into) { into.add(0, gy); });
}

Tensor permute(const Tensor& x, const std::vector<std::int64_t>& axes) {
  const std::size_t rank = x.shape().rank();
  require<ShapeError>(axes.size() == rank, "permute: expected ", rank, " axes for ", x.shape(), " but got ",
                      axes.size());
  const auto x_strides = detail::physical_strides(x);
  std::vector<std::int64_t> inverse(rank, -1);
  Shape shape;
  for (std::size_t i = 0; i < rank; ++i) {
    const std::size_t axis = normalize_axis("permute", axes[i], x.dim());
    require<ValueError>(inverse[axis] == -1, "permute: expected different axes but got ", axes[i], " twice");
    inverse[axis] = static_cast<std::int64_t>(i);
    shape.push_back(x.shape()[axis]);
  }
  const auto y_strides = strides_of(shape);
  kernels::CopyPlan plan;
  for (std::size_t i = 0; i < rank; ++i) {
    plan.push_back(shape[i], x_strides[normalize_axis("permute", axes[i], x.dim())], y_strides[i]);
  }
  Tensor y = Tensor::empty(shape, x.dtype());
  kernels::strided_copy(plan, x.buffer().data(), y.buffer().data(), dtype_size(x.dtype()));
  detail::note_arguments("inverse", inverse);
  y.set_part_kind(PartKind::copied);
  return record("permute", std::move(y), {x},
                [inverse](const Tensor& gy, GradSink& into) { into.add(0, permute(gy, inverse)); });
}

Tensor transpose(const Tensor& x, std::int64_t axis0, std::int64_t axis1) {
  std::vector<std::int64_t> axes(x.shape().rank());
  std::iota(axes.begin(), axes.end(), std::int64_t{0});
  std::swap(axes[normalize_axis("transpose", axis0, x.dim())], axes[normalize_axis("transpose", axis1, x.dim())]);
  return permute(x, axes);
}

Tensor expand_to(const Tensor& x, const Shape& shape) {
  const std::size_t added = shape.rank() - std::min(x.shape().rank(), shape.rank());
  bool fits = x.shape().rank() <= shape.rank();
  const auto x_strides = detail::physical_strides(x);
  const auto y_strides = strides_of(shape);
  kernels::CopyPlan plan;
  for (std::size_t i = 0; fits && i < shape.rank(); ++i) {
    const std::int64_t before = i < added ? 1 : x.shape()[i - added];
    fits = before == shape[i] || before == 1;
    plan.push_back(shape[i], before == 1 ? 0 : x_strides[i - added], y_strides[i]);
  }
  require<ShapeError>(fits, "expand: expected a shape that ", x.shape(), " broadcasts to but got ", shape);
  Tensor y = Tensor::empty(shape, x.dtype());
  kernels::strided_copy(plan, x.buffer().data(), y.buffer().data(), dtype_size(x.dtype()));
  y.set_part_kind(PartKind::copied);
  return record("expand", std::move(y), {x},
                [before = x.shape()](const Tensor& gy, GradSink& into) { into.add(0, sum_to(gy, before)); });
}

Tensor expand(const Tensor& x, const std::vector<std::int64_t>& shape) {
  std::vector<std::int64_t> sizes = shape;
  const std::size_t rank = x.shape().rank();
  for (std::size_t i = 0; i < sizes.size(); ++i) {
    if (sizes[i] == -1) {
      require<ShapeError>(i + rank >= sizes.size(), "expand: -1 keeps a size, but ", x.shape(),
                          " has none for new axis ", i);
      sizes[i] = x.shape()[i + rank - sizes.size()];
    }
  }
  return expand_to(x, Shape(sizes));
}

}  // namespace normgrad
