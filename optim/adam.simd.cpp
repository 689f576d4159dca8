#include "normgrad/optim/adam.hpp"

#include <math.h>

#include "normgrad/optim/detail/step.hpp"

namespace normgrad::kernels::NORMGRAD_SIMD_NAMESPACE {

/// m = beta1 m + (1 - beta1) g; v = beta2 v + (1 - beta2) g^2;
/// p -= lr / (1 - beta1^t) m / (sqrt(v / (1 - beta2^t)) + eps), with the largest v so far if `amsgrad`. AdamW
/// subtracts lr * weight_decay * p from the parameter instead of adding weight_decay * p to the gradient.
template <class T>
struct AdamUpdate : Start<T> {
  T* m;
  T* v;
  T* vmax;  // null without amsgrad
  Batch<T> beta1, beta2;
  Batch<T> new_weight1, new_weight2;
  Batch<T> eps;
  Batch<T> rate;
  Batch<T> rscale;

  template <class Options>
  AdamUpdate(const StepArrays<T>& a, const Options& o, bool decoupled)
      : Start<T>(a, o.maximize, decay(o, decoupled)),
        m(a.slots[0]),
        v(a.slots[1]),
        vmax(a.slots[2]),
        beta1(all<T>(element(o.betas, 0))),
        beta2(all<T>(element(o.betas, 1))),
        new_weight1(all<T>(1.0 - element(o.betas, 0))),
        new_weight2(all<T>(1.0 - element(o.betas, 1))),
        eps(all<T>(o.eps)),
        rate(all<T>(-(o.lr / (1.0 - ::pow(element(o.betas, 0), static_cast<double>(a.step)))))),
        rscale(all<T>(1.0 / ::sqrt(1.0 - ::pow(element(o.betas, 1), static_cast<double>(a.step))))) {}

  template <class Access>
  void operator()(std::int64_t i, Access at) const {
    const Batch<T> x = this->x(i, at);
    const Batch<T> g = this->g(i, x, at);
    const Batch<T> mean = muladd(beta1, at.get(m + i), new_weight1 * g);
    Batch<T> square = muladd(beta2, at.get(v + i), new_weight2 * g * g);
    at.put(m + i, mean);
    at.put(v + i, square);
    if (vmax != nullptr) {
      square = xsimd::max(at.get(vmax + i), square);
      at.put(vmax + i, square);
    }
    const Batch<T> root = muladd(xsimd::sqrt(square), rscale, eps);
    at.put(this->p + i, muladd(rate, mean / root, x));
  }
};

template <class T>
struct Update<T, AdamOptions> : AdamUpdate<T> {
  Update(const StepArrays<T>& a, const AdamOptions& o) : AdamUpdate<T>(a, o, false) {}
};

template <class T>
struct Update<T, AdamWOptions> : AdamUpdate<T> {
  Update(const StepArrays<T>& a, const AdamWOptions& o) : AdamUpdate<T>(a, o, true) {}
};

NORMGRAD_OPTIMIZER_STEP(AdamOptions);
NORMGRAD_OPTIMIZER_STEP(AdamWOptions);

}  // namespace normgrad::kernels::NORMGRAD_SIMD_NAMESPACE
