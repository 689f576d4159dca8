#include "normgrad/core/ops/matmul/products.hpp"

#include "normgrad/core/ops/creation.hpp"
#include "normgrad/core/ops/detail/elementwise.hpp"
#include "normgrad/core/ops/elementwise/arithmetic.hpp"
#include "normgrad/core/ops/matmul/matmul.hpp"
#include "normgrad/core/ops/reduction/reduction.hpp"
#include "normgrad/core/ops/shape/shape.hpp"

namespace normgrad {

namespace {

void check_factors(const char* name, const Tensor& a, std::int64_t a_axes, const Tensor& b, std::int64_t b_axes,
                   const char* expected) {
  const bool fits = a.dim() == a_axes && b.dim() == b_axes && a.size(-1) == b.size(b_axes == 1 ? 0 : -2) &&
                    (a_axes != 3 || a.size(0) == b.size(0));
  require<ShapeError>(fits, name, ": expected ", expected, " but got ", a.shape(), " and ", b.shape());
}

Tensor added_to(const char* name, const Tensor& x, const Tensor& product, double beta, double alpha) {
  detail::check_same_dtype(name, x, product);
  require<ShapeError>(broadcast_shapes(name, x.shape(), product.shape()) == product.shape(), name,
                      ": expected a first operand that broadcasts to ", product.shape(), " but got ", x.shape());
  const Tensor scaled = alpha == 1.0 ? product : mul(product, alpha);
  return beta == 0.0 ? scaled : add(beta == 1.0 ? x : mul(x, beta), scaled);
}

}  // namespace

Tensor mm(const Tensor& a, const Tensor& b) {
  check_factors("mm", a, 2, b, 2, "[n, k] and [k, m]");
  return matmul(a, b);
}

Tensor mv(const Tensor& a, const Tensor& b) {
  check_factors("mv", a, 2, b, 1, "[n, k] and [k]");
  return matmul(a, b);
}

Tensor bmm(const Tensor& a, const Tensor& b) {
  check_factors("bmm", a, 3, b, 3, "[b, n, k] and [b, k, m]");
  return matmul(a, b);
}

Tensor addmm(const Tensor& x, const Tensor& a, const Tensor& b, double beta, double alpha) {
  check_factors("addmm", a, 2, b, 2, "[n, k] and [k, m]");
  return added_to("addmm", x, matmul(a, b), beta, alpha);
}

Tensor baddbmm(const Tensor& x, const Tensor& a, const Tensor& b, double beta, double alpha) {
  check_factors("baddbmm", a, 3, b, 3, "[b, n, k] and [b, k, m]");
  return added_to("baddbmm", x, matmul(a, b), beta, alpha);
}

Tensor dot(const Tensor& a, const Tensor& b) {
  require<ShapeError>(a.dim() == 1 && a.shape() == b.shape(), "dot: expected two vectors of the same length but got ",
                      a.shape(), " and ", b.shape());
  detail::check_same_dtype("dot", a, b);
  return to(sum(mul(a, b)), a.dtype());
}

Tensor outer(const Tensor& a, const Tensor& b) {
  require<ShapeError>(a.dim() == 1 && b.dim() == 1, "outer: expected two vectors but got ", a.shape(), " and ",
                      b.shape());
  return mul(unsqueeze(a, 1), b);
}

Tensor cross(const Tensor& a, const Tensor& b, std::optional<std::int64_t> axis) {
  detail::check_same_dtype("cross", a, b);
  const Shape shape = broadcast_shapes("cross", a.shape(), b.shape());
  std::size_t along = 0;
  if (axis) {
    along = normalize_axis("cross", *axis, shape.dim());
  } else {
    while (along < shape.rank() && shape[along] != 3) {
      ++along;
    }
  }
  require<ShapeError>(along < shape.rank() && shape[along] == 3, "cross: expected ",
                      axis ? detail::concat("3 elements along axis ", *axis) : "an axis of 3 elements", " but got ",
                      a.shape(), " and ", b.shape());
  const auto turned = [&](const Tensor& x, std::int64_t first) {
    const Tensor order = tensor({first, (first + 1) % 3, (first + 2) % 3}, {.dtype = kInt64});
    return index_select(expand_to(x, shape), static_cast<std::int64_t>(along), order);
  };
  return sub(mul(turned(a, 1), turned(b, 2)), mul(turned(a, 2), turned(b, 1)));
}

}  // namespace normgrad
