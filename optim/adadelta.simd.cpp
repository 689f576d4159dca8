#include "normgrad/optim/adadelta.hpp"

#include "normgrad/optim/detail/step.hpp"

namespace normgrad::kernels::NORMGRAD_SIMD_NAMESPACE {

/// v = rho v + (1 - rho) g^2; d = sqrt(u + eps) / sqrt(v + eps) g; u = rho u + (1 - rho) d^2; p -= lr d.
template <class T>
struct Update<T, AdadeltaOptions> : Start<T> {
  Mean<T> v;
  Mean<T> u;
  Batch<T> eps;
  Batch<T> rate;

  Update(const StepArrays<T>& a, const AdadeltaOptions& o)
      : Start<T>(a, o.maximize, decay(o, false)),
        v(a.slots[0], o.rho),
        u(a.slots[1], o.rho),
        eps(all<T>(o.eps)),
        rate(all<T>(-o.lr)) {}

  template <class Access>
  void operator()(std::int64_t i, Access at) const {
    const Batch<T> x = this->x(i, at);
    const Batch<T> g = this->g(i, x, at);
    const Batch<T> root = xsimd::sqrt(v.update(i, g * g, at) + eps);
    const Batch<T> d = xsimd::sqrt(at.get(u.values + i) + eps) / root * g;
    u.update(i, d * d, at);
    at.put(this->p + i, muladd(rate, d, x));
  }
};

NORMGRAD_OPTIMIZER_STEP(AdadeltaOptions);

}  // namespace normgrad::kernels::NORMGRAD_SIMD_NAMESPACE
