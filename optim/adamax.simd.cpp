#include "normgrad/optim/adamax.hpp"

#include <math.h>

#include "normgrad/optim/detail/step.hpp"

namespace normgrad::kernels::NORMGRAD_SIMD_NAMESPACE {

/// m = beta1 m + (1 - beta1) g; u = max(beta2 u, |g| + eps); p -= lr / (1 - beta1^t) m / u.
template <class T>
struct Update<T, AdamaxOptions> : Start<T> {
  Mean<T> m;
  T* largest;
  Batch<T> beta2;
  Batch<T> eps;
  Batch<T> rate;

  Update(const StepArrays<T>& a, const AdamaxOptions& o)
      : Start<T>(a, o.maximize, decay(o, false)),
        m(a.slots[0], element(o.betas, 0)),
        largest(a.slots[1]),
        beta2(all<T>(element(o.betas, 1))),
        eps(all<T>(o.eps)),
        rate(all<T>(-(o.lr / (1.0 - ::pow(element(o.betas, 0), static_cast<double>(a.step)))))) {}

  template <class Access>
  void operator()(std::int64_t i, Access at) const {
    const Batch<T> x = this->x(i, at);
    const Batch<T> g = this->g(i, x, at);
    const Batch<T> mean = m.update(i, g, at);
    const Batch<T> u = xsimd::max(beta2 * at.get(largest + i), xsimd::abs(g) + eps);
    at.put(largest + i, u);
    at.put(this->p + i, muladd(rate, mean / u, x));
  }
};

NORMGRAD_OPTIMIZER_STEP(AdamaxOptions);

}  // namespace normgrad::kernels::NORMGRAD_SIMD_NAMESPACE
