// How well a classifier does.
#pragma once

#include <cstdint>

#include "normgrad/core/autograd/tensor.hpp"

namespace normgrad {

/// How many rows of scores: [N, C] have their largest element at labels: [N] (int64); equal scores count as the first
/// of them, and a row with a NaN, whose largest element nobody knows, as wrong. Throws ShapeError or DTypeError for
/// other tensors.
std::int64_t count_correct(const Tensor& scores, const Tensor& labels);
/// The same as a share, from 0 to 1. Throws ShapeError for no rows.
double accuracy(const Tensor& scores, const Tensor& labels);

}  // namespace normgrad
