#include "normgrad/core/autograd/record.hpp"
#include "normgrad/core/base/detail/checked.hpp"
#include "normgrad/core/ops/detail/window.hpp"
#include "normgrad/core/ops/elementwise/arithmetic.hpp"
#include "normgrad/core/ops/shape/shape.hpp"

namespace normgrad {

Tensor cat(const std::vector<Tensor>& tensors, std::int64_t axis) {
  require<ValueError>(!tensors.empty(), "cat: expected at least one tensor but got none");
  Shape shape = tensors[0].shape();
  const std::size_t a = normalize_axis("cat", axis, shape.dim());
  std::vector<std::int64_t> sizes;
  DType type = tensors[0].dtype();
  bool is_mixed = false;
  shape[a] = 0;
  for (std::size_t i = 0; i < tensors.size(); ++i) {
    const Tensor& x = tensors[i];
    Shape rest = x.shape();
    if (rest.rank() == shape.rank()) {
      rest[a] = shape[a];
    }
    require<ShapeError>(rest == shape, "cat: expected shapes that agree outside of axis ", axis, " but tensor 0 has ",
                        tensors[0].shape(), " and tensor ", i, " has ", x.shape());
    type = promote_types(type, x.dtype());
    is_mixed = is_mixed || x.dtype() != tensors[0].dtype();
    sizes.push_back(x.shape()[a]);
    shape[a] = detail::checked_add("cat", shape[a], sizes.back());
  }
  if (is_mixed) {
    std::vector<Tensor> same;
    for (const Tensor& x : tensors) {
      same.push_back(to(x, type));
    }
    return cat(same, axis);
  }
  Tensor y = Tensor::empty(shape, type);
  std::int64_t start = 0;
  for (const Tensor& x : tensors) {
    detail::Window window(x.shape());
    window.start[a] = start;
    detail::copy_into_window(x, window, y);
    start += x.shape()[a];
  }
  detail::note_arguments("axis", a);
  return record("cat", std::move(y), tensors, [sizes, a](const Tensor& gy, GradSink& into) {
    std::int64_t from = 0;
    for (std::size_t i = 0; i < sizes.size(); ++i) {
      if (into.wants(i)) {
        into.add(i, narrow(gy, static_cast<std::int64_t>(a), from, sizes[i]));
      }
      from += sizes[i];
    }
  });
}

Tensor stack(const std::vector<Tensor>& tensors, std::int64_t axis) {
  require<ValueError>(!tensors.empty(), "stack: expected at least one tensor but got none");
  const auto a = static_cast<std::int64_t>(normalize_axis("stack", axis, tensors[0].dim() + 1));
  std::vector<Tensor> rows;
  for (std::size_t i = 0; i < tensors.size(); ++i) {
    require<ShapeError>(tensors[i].shape() == tensors[0].shape(), "stack: expected equal shapes but tensor 0 has ",
                        tensors[0].shape(), " and tensor ", i, " has ", tensors[i].shape());
    rows.push_back(unsqueeze(tensors[i], a));
  }
  return cat(rows, a);
}

Tensor hstack(const std::vector<Tensor>& tensors) {
  require<ValueError>(!tensors.empty(), "hstack: expected at least one tensor but got none");
  std::vector<Tensor> rows;
  for (const Tensor& x : tensors) {
    rows.push_back(x.dim() == 0 ? reshape_to(x, {1}) : x);
  }
  return cat(rows, rows[0].dim() == 1 ? 0 : 1);
}

Tensor vstack(const std::vector<Tensor>& tensors) {
  require<ValueError>(!tensors.empty(), "vstack: expected at least one tensor but got none");
  std::vector<Tensor> rows;
  for (const Tensor& x : tensors) {
    rows.push_back(x.dim() < 2 ? reshape_to(x, {1, x.numel()}) : x);
  }
  return cat(rows, 0);
}

}  // namespace normgrad
