#include "normgrad/optim/lion.hpp"

#include "normgrad/optim/detail/step.hpp"

namespace normgrad::kernels::NORMGRAD_SIMD_NAMESPACE {

/// p *= 1 - lr weight_decay; p -= lr sign(beta1 m + (1 - beta1) g); m = beta2 m + (1 - beta2) g.
template <class T>
struct Update<T, LionOptions> : Start<T> {
  Mean<T> m;
  Batch<T> beta1;
  Batch<T> new_weight;
  Batch<T> rate;

  Update(const StepArrays<T>& a, const LionOptions& o)
      : Start<T>(a, o.maximize, decay(o, true)),
        m(a.slots[0], element(o.betas, 1)),
        beta1(all<T>(element(o.betas, 0))),
        new_weight(all<T>(1.0 - element(o.betas, 0))),
        rate(all<T>(-o.lr)) {}

  template <class Access>
  void operator()(std::int64_t i, Access at) const {
    const Batch<T> zero = all<T>(0.0);
    const Batch<T> x = this->x(i, at);
    const Batch<T> g = this->g(i, x, at);
    const Batch<T> c = muladd(beta1, at.get(m.values + i), new_weight * g);
    // 0 and NaN stay unchanged.
    const Batch<T> direction = xsimd::select(c > zero, all<T>(1.0), xsimd::select(c < zero, all<T>(-1.0), c));
    m.update(i, g, at);
    at.put(this->p + i, muladd(rate, direction, x));
  }
};

NORMGRAD_OPTIMIZER_STEP(LionOptions);

}  // namespace normgrad::kernels::NORMGRAD_SIMD_NAMESPACE
