// Connectionist temporal classification (Graves et al., 2006): a loss between a sequence of class probabilities and a
// shorter sequence of classes without positions.
#pragma once

#include <cstdint>
#include <vector>

#include "normgrad/core/ops/loss/loss.hpp"

namespace normgrad {

/// Options of ctc_loss.
struct CtcLossOptions {
  std::int64_t blank = 0;                 ///< the class between the classes of a target
  Reduction reduction = Reduction::mean;  ///< reduction of the losses of the batch
  bool zero_infinity = false;             ///< whether an infinite loss counts as 0
};

/// -log of the probability that `log_probs`, read with repetitions and blanks removed, gives the target.
///
/// log_probs: [T, N, C], logarithms of probabilities as from log_softmax(x, 2), or [T, C]. targets: int64, [N, S], or
/// [sum of target_lengths], one target after the other; [S] without a batch. input_lengths and target_lengths: int64
/// [N], or of one element without a batch, between 1 and T and between 0 and S. The result is [N] (or [] without a
/// batch) for Reduction::none; the mean divides each loss by its target's length (1 for an empty one) before averaging.
///
/// The loss of a target that does not fit into its input, with a blank between equal classes, is infinite and has no
/// gradient. Differentiable to any order in log_probs: the gradient is the derivative with respect to log_probs alone,
/// whereas PyTorch adds that of a log_softmax before; behind log_softmax both give the same. Throws ShapeError,
/// DTypeError, ValueError for a length or a blank out of range or in a target, and IndexError for a class out of range.
Tensor ctc_loss(const Tensor& log_probs, const Tensor& targets, const Tensor& input_lengths,
                const Tensor& target_lengths, const CtcLossOptions& options = {});
/// The same with lengths as numbers.
Tensor ctc_loss(const Tensor& log_probs, const Tensor& targets, const std::vector<std::int64_t>& input_lengths,
                const std::vector<std::int64_t>& target_lengths, const CtcLossOptions& options = {});

}  // namespace normgrad
