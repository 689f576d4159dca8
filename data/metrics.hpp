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

/// Counts pairs of label and guess: element [l, g] of the result, int64 [C, C], is the number of labels l whose largest
/// score is that of class g. scores: [N, C] or, a label per pixel, [N, C, ...]; labels: [N] or [N, ...] (int64). The
/// first of equal scores is the guess, and NaN counts as the largest. Matrices of batches add up. Throws ShapeError or
/// DTypeError for other tensors, and IndexError for a label outside of [0, C).
Tensor confusion_matrix(const Tensor& scores, const Tensor& labels);
/// Returns the intersection over union of each class, float64 [C]: the pairs in which both label and guess are the
/// class, over those in which one of them is; NaN for a class that does not occur. Throws ShapeError unless `confusion`
/// is [C, C], and DTypeError unless it is int64.
Tensor intersection_over_union(const Tensor& confusion);

}  // namespace normgrad
