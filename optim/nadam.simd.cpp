#include "normgrad/optim/nadam.hpp"

#include <math.h>

#include "normgrad/optim/detail/step.hpp"

namespace normgrad::kernels::NORMGRAD_SIMD_NAMESPACE {

/// m and v as in Adam. With mu_t = beta1 (1 - 0.96^(t momentum_decay) / 2) and P_t = mu_1 ... mu_t, which is the
/// state's scalar: p -= lr ((1 - mu_t) / (1 - P_t) g + mu_{t+1} / (1 - P_{t+1}) m) / (sqrt(v / (1 - beta2^t)) + eps).
template <class T>
struct Update<T, NAdamOptions> : Start<T> {
  Mean<T> m;
  Mean<T> v;
  Batch<T> eps;
  Batch<T> gradient_rate;
  Batch<T> mean_rate;
  Batch<T> rscale;

  Update(const StepArrays<T>& a, const NAdamOptions& o)
      : Start<T>(a, o.maximize, decay(o, o.decoupled_weight_decay)),
        m(a.slots[0], element(o.betas, 0)),
        v(a.slots[1], element(o.betas, 1)),
        eps(all<T>(o.eps)),
        gradient_rate(all<T>(o.lr * (1.0 - momentum(o, a.step)) / (1.0 - a.scalar))),
        mean_rate(all<T>(-(o.lr * momentum(o, a.step + 1) / (1.0 - a.scalar * momentum(o, a.step + 1))))),
        rscale(all<T>(1.0 / ::sqrt(1.0 - ::pow(element(o.betas, 1), static_cast<double>(a.step))))) {}

  static double momentum(const NAdamOptions& o, std::int64_t t) {
    return element(o.betas, 0) * (1.0 - 0.5 * ::pow(0.96, static_cast<double>(t) * o.momentum_decay));
  }

  template <class Access>
  void operator()(std::int64_t i, Access at) const {
    const Batch<T> x = this->x(i, at);
    const Batch<T> g = this->g(i, x, at);
    const Batch<T> mean = m.update(i, g, at);
    const Batch<T> root = muladd(xsimd::sqrt(v.update(i, g * g, at)), rscale, eps);
    at.put(this->p + i, x + (mean_rate * mean - gradient_rate * g) / root);
  }
};

NORMGRAD_OPTIMIZER_STEP(NAdamOptions);

}  // namespace normgrad::kernels::NORMGRAD_SIMD_NAMESPACE
