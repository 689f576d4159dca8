#include "normgrad/core/ops/functional.hpp"

#include "normgrad/core/autograd/backward.hpp"
#include "normgrad/core/autograd/grad_mode.hpp"
#include "normgrad/core/ops/creation.hpp"
#include "normgrad/core/ops/shape/shape.hpp"

namespace normgrad {

namespace {

// The argument of f: x itself inside of the graph of x, or a leaf of its own.
Tensor argument(const char* where, const Tensor& x, bool create_graph) {
  require<DTypeError>(is_floating_point(x.dtype()), where, ": expected a float32 or float64 tensor but got ",
                      x.dtype());
  return create_graph && x.requires_grad() ? reshape_to(x, x.shape()) : x.detach().requires_grad_();
}

Tensor with_shape(const char* where, const char* of_what, const Tensor& v, const Tensor& like) {
  if (!v.defined()) {
    require<ShapeError>(like.numel() == 1, where, ": expected a v of the shape ", like.shape(), " of ", of_what,
                        " but got none");
    return ones_like(like);
  }
  require<ShapeError>(v.shape() == like.shape(), where, ": expected a v of the shape ", like.shape(), " of ", of_what,
                      " but got ", v.shape());
  return v;
}

// The gradient of <y, v>, or 0 where y does not depend on x.
Tensor gradient(const Tensor& y, const Tensor& x, const Tensor& v, bool retain_graph, bool create_graph) {
  if (!y.requires_grad()) {
    return zeros_like(x);
  }
  const Tensor g =
      grad({y}, {x}, {v}, {.retain_graph = retain_graph, .create_graph = create_graph, .allow_unused = true})[0];
  return g.defined() ? g : zeros_like(x);
}

Tensor result_of(const Tensor& x, bool create_graph) { return create_graph ? x : x.detach(); }

// One row per element of y.
Tensor rows_of(const Tensor& y, const Tensor& x, bool create_graph) {
  std::vector<Tensor> rows;
  for (std::int64_t i = 0; i < y.numel(); ++i) {
    Tensor seed = zeros({y.numel()}, {.dtype = y.dtype()});
    seed[i] = 1;
    rows.push_back(gradient(y, x, reshape_to(seed, y.shape()), true, create_graph));
  }
  std::vector<std::int64_t> shape(y.shape().begin(), y.shape().end());
  shape.insert(shape.end(), x.shape().begin(), x.shape().end());
  return rows.empty() ? zeros(shape, {.dtype = x.dtype()}) : reshape(stack(rows), shape);
}

}  // namespace

ValueAndProduct vjp(const std::function<Tensor(const Tensor&)>& f, const Tensor& x, const Tensor& v,
                    FunctionalOptions options) {
  const GradModeGuard recorded(true);
  const Tensor input = argument("vjp", x, options.create_graph);
  const Tensor y = f(input);
  const Tensor product =
      gradient(y, input, with_shape("vjp", "f(x)", v, y), options.create_graph, options.create_graph);
  return {.value = result_of(y, options.create_graph), .product = result_of(product, options.create_graph)};
}

ValueAndProduct jvp(const std::function<Tensor(const Tensor&)>& f, const Tensor& x, const Tensor& v,
                    FunctionalOptions options) {
  const GradModeGuard recorded(true);
  const Tensor input = argument("jvp", x, options.create_graph);
  const Tensor direction = with_shape("jvp", "x", v, x);
  const Tensor y = f(input);
  // g(u) = J^T u is linear in u, and the gradient of <g(u), v> with respect to u is J v.
  const Tensor u = zeros_like(y).requires_grad_();
  const Tensor g = gradient(y, input, u, true, true);
  const Tensor product = gradient(g, u, direction, options.create_graph, options.create_graph);
  return {.value = result_of(y, options.create_graph), .product = result_of(product, options.create_graph)};
}

Tensor jacobian(const std::function<Tensor(const Tensor&)>& f, const Tensor& x, FunctionalOptions options) {
  const GradModeGuard recorded(true);
  const Tensor input = argument("jacobian", x, options.create_graph);
  return result_of(rows_of(f(input), input, options.create_graph), options.create_graph);
}

Tensor hessian(const std::function<Tensor(const Tensor&)>& f, const Tensor& x, FunctionalOptions options) {
  const GradModeGuard recorded(true);
  const Tensor input = argument("hessian", x, options.create_graph);
  const Tensor y = f(input);
  require<ShapeError>(y.numel() == 1, "hessian: expected a function with one result but got ", y.shape());
  const Tensor g = gradient(y, input, ones_like(y), true, true);
  return result_of(rows_of(g, input, options.create_graph), options.create_graph);
}

}  // namespace normgrad
