#include "normgrad/core/ops/reduction/distance.hpp"

#include "normgrad/core/ops/detail/elementwise.hpp"
#include "normgrad/core/ops/elementwise/arithmetic.hpp"
#include "normgrad/core/ops/reduction/reduction.hpp"
#include "normgrad/core/ops/reduction/statistics.hpp"
#include "normgrad/core/ops/shape/shape.hpp"

namespace normgrad {

Tensor normalize(const Tensor& x, double p, std::int64_t axis, double eps) {
  detail::check_float("normalize", x);
  normalize_axis("normalize", axis, x.dim());
  return div(x, clamp(norm(x, p, axis, true), eps, {}));
}

Tensor cosine_similarity(const Tensor& x1, const Tensor& x2, std::int64_t axis, double eps) {
  detail::check_float("cosine_similarity", x1);
  detail::check_same_dtype("cosine_similarity", x1, x2);
  const Shape shape = broadcast_shapes("cosine_similarity", x1.shape(), x2.shape());
  normalize_axis("cosine_similarity", axis, shape.dim());
  const Tensor a = expand_to(x1, shape);
  const Tensor b = expand_to(x2, shape);
  return sum(mul(normalize(a, 2.0, axis, eps), normalize(b, 2.0, axis, eps)), axis);
}

Tensor pairwise_distance(const Tensor& x1, const Tensor& x2, double p, double eps, ReduceFlag keepdim) {
  detail::check_float("pairwise_distance", x1);
  detail::check_same_dtype("pairwise_distance", x1, x2);
  const Shape shape = broadcast_shapes("pairwise_distance", x1.shape(), x2.shape());
  require<ShapeError>(!shape.empty(), "pairwise_distance: expected at least one axis but got ", x1.shape(), " and ",
                      x2.shape());
  return norm(add(sub(x1, x2), eps), p, -1, keepdim);
}

Tensor cdist(const Tensor& x1, const Tensor& x2, double p) {
  detail::check_float("cdist", x1);
  detail::check_same_dtype("cdist", x1, x2);
  require<ShapeError>(x1.dim() >= 2 && x2.dim() >= 2 && x1.size(-1) == x2.size(-1),
                      "cdist: expected [*, n, d] and [*, m, d] but got ", x1.shape(), " and ", x2.shape());
  require<ValueError>(p >= 0.0, "cdist: expected p >= 0 but got ", p);
  return norm(sub(unsqueeze(x1, -2), unsqueeze(x2, -3)), p, -1);
}

}  // namespace normgrad
