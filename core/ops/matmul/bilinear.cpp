#include "normgrad/core/ops/detail/elementwise.hpp"
#include "normgrad/core/ops/elementwise/arithmetic.hpp"
#include "normgrad/core/ops/matmul/matmul.hpp"
#include "normgrad/core/ops/reduction/reduction.hpp"
#include "normgrad/core/ops/shape/shape.hpp"

namespace normgrad {

Tensor bilinear(const Tensor& a, const Tensor& b, const Tensor& weight, const Tensor& bias) {
  require<ShapeError>(weight.dim() == 3, "bilinear: expected a weight [out, in1, in2] but got ", weight.shape());
  const std::int64_t out = weight.size(0);
  const std::int64_t in1 = weight.size(1);
  const std::int64_t in2 = weight.size(2);
  require<ShapeError>(a.dim() >= 1 && a.size(-1) == in1 && b.dim() >= 1 && b.size(-1) == in2,
                      "bilinear: expected inputs [*, ", in1, "] and [*, ", in2, "] but got ", a.shape(), " and ",
                      b.shape());
  Shape leading_a = a.shape();
  Shape leading_b = b.shape();
  leading_a.erase(leading_a.rank() - 1);
  leading_b.erase(leading_b.rank() - 1);
  require<ShapeError>(leading_a == leading_b, "bilinear: expected inputs that agree outside of the last axis but got ",
                      a.shape(), " and ", b.shape());
  require<ShapeError>(!bias.defined() || bias.shape() == Shape{out}, "bilinear: expected a bias [", out, "] but got ",
                      bias.defined() ? bias.shape() : Shape());
  detail::check_same_dtype("bilinear", a, b);
  detail::check_same_dtype("bilinear", a, weight);
  detail::check_float("bilinear", a);
  const std::int64_t n = leading_a.numel();
  // [n, in1] x [in1, out in2], then the product with b.
  const Tensor map = reshape_to(permute(weight, {1, 0, 2}), {in1, out * in2});
  const Tensor half = reshape_to(matmul(reshape_to(a, {n, in1}), map), {n, out, in2});
  Tensor y = sum(mul(half, reshape_to(b, {n, 1, in2})), -1);
  if (bias.defined()) {
    y = add(y, bias);
  }
  leading_a.push_back(out);
  return reshape_to(y, leading_a);
}

}  // namespace normgrad
