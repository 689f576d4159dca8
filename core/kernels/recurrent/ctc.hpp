// Connectionist temporal classification: sums over all alignments of a target sequence with the steps of an input, by
// the forward and backward recursions of Graves et al., 2006, in float64 logarithms.
#pragma once

#include <cstdint>

namespace normgrad::kernels {

/// log_probs: [steps, batch, classes]. Sequence n has `input_lengths[n]` >= 1 steps and the `target_lengths[n]` classes
/// from targets[target_starts[n]] on, which are in range and not blank.
struct CtcProblem {
  std::int64_t steps;
  std::int64_t batch;
  std::int64_t classes;
  std::int64_t blank;
  const std::int64_t* targets;
  const std::int64_t* target_starts;
  const std::int64_t* target_lengths;
  const std::int64_t* input_lengths;
};

/// -log of the probability of each target; infinity for a target that no alignment gives. losses: [batch].
template <class T>
void ctc_losses(const CtcProblem& p, const T* log_probs, T* losses);

/// The gradient of sum_n g[n] loss[n] with respect to log_probs. Sequences of infinite loss have none.
template <class T>
void ctc_gradient(const CtcProblem& p, const T* log_probs, const T* g, T* gx);

}  // namespace normgrad::kernels
