// The steps of the optimizers that divide by a size of the gradients so far, and of Lion; each in one pass over the
// arrays. g is the gradient (its negative when `maximize`) plus weight_decay * p throughout, after p *= 1 - decay.
#pragma once

#include <cstdint>

#include "normgrad/core/base/simd.hpp"

namespace normgrad::kernels {

/// What every step below has.
struct StepDecay {
  double weight_decay = 0.0;  ///< as part of the gradient
  double decay = 0.0;         ///< on the parameter itself
  bool maximize = false;
};

/// slots: m, v. m = beta1 m + (1 - beta1) g; v = beta2 v + (1 - beta2) g^2;
/// p -= (gradient_rate g + mean_rate m) / (sqrt(v) rscale + eps).
struct NadamStep {
  StepDecay common;
  double beta1;
  double beta2;
  double eps;
  double gradient_rate;
  double mean_rate;
  double rscale;
};

/// slots: m, v as above. p -= rate m when not `rectified`, else p -= rate m / (sqrt(v) + eps).
struct RadamStep {
  StepDecay common;
  double beta1;
  double beta2;
  double eps;
  double rate;
  bool rectified;
};

/// slots: v, mean (null unless centered), buffer (null without momentum). v = alpha v + (1 - alpha) g^2, mean likewise
/// of g; d = g / (sqrt(v - mean^2) + eps); buffer = momentum buffer + d; p -= lr (buffer, or d without momentum).
struct RmspropStep {
  StepDecay common;
  double lr;
  double alpha;
  double eps;
  double momentum;
};

/// slots: sum. sum += g^2; p -= rate g / (sqrt(sum) + eps).
struct AdagradStep {
  StepDecay common;
  double rate;
  double eps;
};

/// slots: v, u. v = rho v + (1 - rho) g^2; d = sqrt(u + eps) / sqrt(v + eps) g; u = rho u + (1 - rho) d^2; p -= lr d.
struct AdadeltaStep {
  StepDecay common;
  double lr;
  double rho;
  double eps;
};

/// slots: m, u. m = beta1 m + (1 - beta1) g; u = max(beta2 u, |g| + eps); p -= rate m / u.
struct AdamaxStep {
  StepDecay common;
  double beta1;
  double beta2;
  double eps;
  double rate;
};

/// slots: m. p -= lr sign(beta1 m + (1 - beta1) g); m = beta2 m + (1 - beta2) g.
struct LionStep {
  StepDecay common;
  double lr;
  double beta1;
  double beta2;
};

/// The arrays that a step works on.
template <class T_, class Step_>
struct StepJob {
  using T = T_;
  using Step = Step_;
  T* p;
  const T* gradient;
  T* slots[3];
  Step step;
};

NORMGRAD_SIMD_DECLARE(template <class Job> void adaptive_step(const Job& job, std::int64_t begin, std::int64_t end);)

/// Does the step for all `n` elements. T is float or double.
template <class T, class Step>
void adaptive_step(const StepJob<T, Step>& job, std::int64_t n);

}  // namespace normgrad::kernels
