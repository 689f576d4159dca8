#include "normgrad/core/autograd/op_arguments.hpp"
#include "normgrad/core/ops/elementwise/arithmetic.hpp"
#include "normgrad/core/ops/elementwise/unary.hpp"
#include "normgrad/core/ops/norm/norm.hpp"
#include "normgrad/core/ops/shape/shape.hpp"

namespace normgrad {

namespace {

Tensor of_channels(const Tensor& x, std::int64_t size, double alpha, double beta, double k) {
  if (x.dtype() == kFloat32) {  // rounded once, at the end
    return of_channels(x.to(kFloat64), size, alpha, beta, k).to(kFloat32);
  }
  const std::int64_t channels = x.size(1);
  std::vector<std::int64_t> padding(static_cast<std::size_t>(2 * (x.dim() - 1)),
                                    0);  // pairs, starting with the last axis
  padding[padding.size() - 2] = size / 2;
  padding[padding.size() - 1] = (size - 1) / 2;
  const Tensor squares = pad(square(x), padding);
  Tensor sum = narrow(squares, 1, 0, channels);
  for (std::int64_t i = 1; i < size; ++i) {
    sum = sum + narrow(squares, 1, i, channels);
  }
  return x * pow(sum * (alpha / static_cast<double>(size)) + k, -beta);
}

}  // namespace

Tensor local_response_norm(const Tensor& x, std::int64_t size, double alpha, double beta, double k) {
  require<ValueError>(size > 0, "local_response_norm: expected size > 0 but got ", size);
  require<ShapeError>(x.dim() >= 3, "local_response_norm: expected an input [N, C, *] of at least 3 axes but got ",
                      x.shape());
  Tensor y = of_channels(x, size, alpha, beta, k);
  detail::note_arguments("size", size, "alpha", alpha, "beta", beta, "k", k);
  detail::announce("local_response_norm", y, {x});
  return y;
}

}  // namespace normgrad
