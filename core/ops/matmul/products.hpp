// Products of vectors, matrices and batches of them by their names in PyTorch. Differentiable to any order. Operands
// must have the same dtype.
#pragma once

#include <cstdint>
#include <optional>

#include "normgrad/core/autograd/tensor.hpp"

namespace normgrad {

/// [n, k] x [k, m] -> [n, m].
Tensor mm(const Tensor& a, const Tensor& b);
/// [n, k] x [k] -> [n].
Tensor mv(const Tensor& a, const Tensor& b);
/// [b, n, k] x [b, k, m] -> [b, n, m].
Tensor bmm(const Tensor& a, const Tensor& b);
/// beta x + alpha mm(a, b); x broadcasts to the product, and is not read if beta is 0.
Tensor addmm(const Tensor& x, const Tensor& a, const Tensor& b, double beta = 1.0, double alpha = 1.0);
/// beta x + alpha bmm(a, b); x broadcasts to the product, and is not read if beta is 0.
Tensor baddbmm(const Tensor& x, const Tensor& a, const Tensor& b, double beta = 1.0, double alpha = 1.0);
/// The sum of the products of two vectors of the same length and dtype, which it keeps; integers wrap around.
Tensor dot(const Tensor& a, const Tensor& b);
/// [n], [m] -> [n, m]: the products of all pairs of elements; also of int64.
Tensor outer(const Tensor& a, const Tensor& b);
/// The cross product along an axis of 3 elements, by default the first such axis. Shapes broadcast. Also of int64.
Tensor cross(const Tensor& a, const Tensor& b, std::optional<std::int64_t> axis = {});

}  // namespace normgrad
