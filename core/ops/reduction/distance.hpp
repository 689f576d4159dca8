// Distances, similarities and unit vectors. float32 and float64; differentiable to any order where smooth, with
// gradients of 0 at a distance of 0.
#pragma once

#include <cstdint>

#include "normgrad/core/autograd/tensor.hpp"

namespace normgrad {

/// x divided by max(norm(x, p), eps), with norms along the axis.
Tensor normalize(const Tensor& x, double p = 2.0, std::int64_t axis = 1, double eps = 1e-12);
/// The cosine of the angle between x1 and x2 along the axis, which is removed: their product divided by the product of
/// their norms, each of which is at least eps. Shapes broadcast; the axis counts in the broadcast shape.
Tensor cosine_similarity(const Tensor& x1, const Tensor& x2, std::int64_t axis = 1, double eps = 1e-8);
/// norm(x1 - x2 + eps, p) along the last axis. Shapes broadcast.
Tensor pairwise_distance(const Tensor& x1, const Tensor& x2, double p = 2.0, double eps = 1e-6,
                         ReduceFlag keepdim = false);
/// The distances norm(x1[i] - x2[j], p) of all pairs of rows: [*, n, d] and [*, m, d] -> [*, n, m]. The leading axes
/// broadcast. Computes all differences, which take n m d elements. Throws ValueError for p < 0.
Tensor cdist(const Tensor& x1, const Tensor& x2, double p = 2.0);

}  // namespace normgrad
