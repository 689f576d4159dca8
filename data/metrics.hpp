// Classification metrics.
#pragma once

#include <cstdint>

#include "normgrad/core/autograd/tensor.hpp"

namespace normgrad {

/// Returns how many rows of scores: [N, C] have their largest element at labels: [N] (int64). Among equal scores the
/// first one counts. A row with a NaN counts as wrong. Throws ShapeError or DTypeError for other tensors.
std::int64_t count_correct(const Tensor& scores, const Tensor& labels);
/// Returns the fraction of correct rows, from 0 to 1. Throws ShapeError for no rows.
double accuracy(const Tensor& scores, const Tensor& labels);

}  // namespace normgrad
