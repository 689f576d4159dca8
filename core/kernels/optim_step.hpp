// The steps of the optimizers, each in one pass over the arrays.
#pragma once

#include <cstdint>

#include "normgrad/core/base/simd.hpp"

namespace normgrad::kernels {

/// With g the gradient (its negative when `maximize`) plus weight_decay * p, and with momentum
/// buffer = momentum * buffer + (1 - dampening) * g (g itself in the first step):
/// p -= lr * (g + momentum * buffer with Nesterov, buffer with momentum, g without).
struct SgdStep {
  double lr;
  double momentum;
  double dampening;
  double weight_decay;
  bool nesterov;
  bool maximize;
  bool first;  ///< the buffer has no contents yet
};

/// p *= 1 - decay; then with g the gradient (its negative when `maximize`) plus weight_decay * p:
/// m = beta1 * m + (1 - beta1) * g; v = beta2 * v + (1 - beta2) * g^2; p -= step_size * m / (sqrt(v) * rscale + eps),
/// where the largest v so far takes the place of v when there is a `vmax`.
struct AdamStep {
  double beta1;
  double beta2;
  double eps;
  double weight_decay;  ///< as part of the gradient
  double decay;         ///< on the parameter itself
  double step_size;     ///< lr / (1 - beta1^t)
  double rscale;        ///< 1 / sqrt(1 - beta2^t)
  bool maximize;
};

NORMGRAD_SIMD_DECLARE(template <class T>
                      void sgd_step(T* p, const T* gradient, T* buffer, std::int64_t n, const SgdStep& step);
                      template <class T> void adam_step(T* p, const T* gradient, T* m, T* v, T* vmax, std::int64_t n,
                                                        const AdamStep& step);)

/// T is float or double; `buffer` is null without momentum.
template <class T>
void sgd_step(T* p, const T* gradient, T* buffer, std::int64_t n, const SgdStep& step);
/// `vmax` is null without AMSGrad.
template <class T>
void adam_step(T* p, const T* gradient, T* m, T* v, T* vmax, std::int64_t n, const AdamStep& step);

}  // namespace normgrad::kernels
