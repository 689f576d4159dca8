#include "normgrad/optim/adagrad.hpp"

#include "normgrad/optim/detail/step.hpp"

namespace normgrad::kernels::NORMGRAD_SIMD_NAMESPACE {

/// sum += g^2; p -= lr / (1 + (t - 1) lr_decay) g / (sqrt(sum) + eps).
template <class T>
struct Update<T, AdagradOptions> : Start<T> {
  T* sum;
  Batch<T> eps;
  Batch<T> rate;

  Update(const StepArrays<T>& a, const AdagradOptions& o)
      : Start<T>(a, o.maximize, decay(o, false)),
        sum(a.slots[0]),
        eps(all<T>(o.eps)),
        rate(all<T>(-(o.lr / (1.0 + static_cast<double>(a.step - 1) * o.lr_decay)))) {}

  template <class Access>
  void operator()(std::int64_t i, Access at) const {
    const Batch<T> x = this->x(i, at);
    const Batch<T> g = this->g(i, x, at);
    const Batch<T> square = muladd(g, g, at.get(sum + i));
    at.put(sum + i, square);
    at.put(this->p + i, muladd(rate, g / (xsimd::sqrt(square) + eps), x));
  }
};

NORMGRAD_OPTIMIZER_STEP(AdagradOptions);

}  // namespace normgrad::kernels::NORMGRAD_SIMD_NAMESPACE
