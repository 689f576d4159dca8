#include "normgrad/core/autograd/record.hpp"
#include "normgrad/core/ops/detail/part.hpp"
#include "normgrad/core/ops/shape/shape.hpp"

namespace normgrad {

Tensor reshape_to(const Tensor& x, const Shape& shape) {
  return detail::part_of(
      x, record("reshape", x.alias(shape), {x},
                [before = x.shape()](const Tensor& gy, GradSink& into) { into.add(0, reshape_to(gy, before)); }));
}

Tensor reshape(const Tensor& x, const std::vector<std::int64_t>& shape) {
  std::vector<std::int64_t> sizes = shape;
  Shape others;
  std::int64_t* unknown = nullptr;
  for (std::int64_t& size : sizes) {
    if (size == -1) {
      require<ValueError>(unknown == nullptr, "reshape: expected at most one size of -1 but got more");
      unknown = &size;
    } else {
      others.push_back(size);
    }
  }
  if (unknown != nullptr) {
    const std::int64_t known = others.numel();
    require<ShapeError>(known != 0 && x.numel() % known == 0, "reshape: expected sizes whose product divides the ",
                        x.numel(), " elements of ", x.shape(), " but got ", known);
    *unknown = x.numel() / known;
  }
  return reshape_to(x, Shape(sizes));
}

Tensor flatten(const Tensor& x, std::int64_t start_dim, std::int64_t end_dim) {
  if (x.dim() == 0) {
    return reshape_to(x, {1});
  }
  const std::size_t first = normalize_axis("flatten", start_dim, x.dim());
  const std::size_t last = normalize_axis("flatten", end_dim, x.dim());
  require<ValueError>(first <= last, "flatten: expected start_dim <= end_dim but got ", start_dim, " and ", end_dim);
  Shape shape;
  std::int64_t joined = 1;
  for (std::size_t i = 0; i < x.shape().rank(); ++i) {
    if (i < first || i > last) {
      shape.push_back(x.shape()[i]);
      continue;
    }
    joined *= x.shape()[i];
    if (i == last) {
      shape.push_back(joined);
    }
  }
  return reshape_to(x, shape);
}

Tensor squeeze(const Tensor& x, const Axes& axes) {
  const auto named = axes.mask("squeeze", x.dim());
  Shape shape;
  for (std::size_t i = 0; i < x.shape().rank(); ++i) {
    if (!named[i] || x.shape()[i] != 1) {
      shape.push_back(x.shape()[i]);
    }
  }
  return reshape_to(x, shape);
}

Tensor unsqueeze(const Tensor& x, std::int64_t axis) {
  Shape shape = x.shape();
  shape.insert(normalize_axis("unsqueeze", axis, x.dim() + 1), 1);
  return reshape_to(x, shape);
}

Tensor unsqueeze(const Tensor& x, const std::vector<std::int64_t>& axes) {
  const std::int64_t rank = x.dim() + static_cast<std::int64_t>(axes.size());
  std::vector<bool> added(static_cast<std::size_t>(rank), false);
  for (const std::int64_t axis : axes) {
    const std::size_t at = normalize_axis("unsqueeze", axis, rank);
    require<ValueError>(!added[at], "unsqueeze: expected different axes but got ", axis, " twice");
    added[at] = true;
  }
  Shape shape;
  const std::int64_t* size = x.shape().begin();
  for (const bool is_new : added) {
    shape.push_back(is_new ? 1 : *size++);
  }
  return reshape_to(x, shape);
}

}  // namespace normgrad
