#include "normgrad/optim/rmsprop.hpp"

#include "normgrad/optim/detail/step.hpp"

namespace normgrad::kernels::NORMGRAD_SIMD_NAMESPACE {

/// v = alpha v + (1 - alpha) g^2, and if `centered` the same mean of g; d = g / (sqrt(v - mean^2) + eps);
/// with momentum buffer = momentum buffer + d and p -= lr buffer, else p -= lr d.
template <class T>
struct Update<T, RMSpropOptions> : Start<T> {
  Mean<T> v;
  Mean<T> center;  // null unless centered
  T* buffer;       // null without momentum
  Batch<T> eps;
  Batch<T> rate;
  Batch<T> momentum;

  Update(const StepArrays<T>& a, const RMSpropOptions& o)
      : Start<T>(a, o.maximize, decay(o, false)),
        v(a.slots[0], o.alpha),
        center(a.slots[1], o.alpha),
        buffer(a.slots[2]),
        eps(all<T>(o.eps)),
        rate(all<T>(-o.lr)),
        momentum(all<T>(o.momentum)) {}

  template <class Access>
  void operator()(std::int64_t i, Access at) const {
    const Batch<T> x = this->x(i, at);
    const Batch<T> g = this->g(i, x, at);
    Batch<T> square = v.update(i, g * g, at);
    if (center.values != nullptr) {
      const Batch<T> mean = center.update(i, g, at);
      square = xsimd::max(all<T>(0.0), square - mean * mean);  // may be negative from rounding; NaN is kept
    }
    Batch<T> d = g / (xsimd::sqrt(square) + eps);
    if (buffer != nullptr) {
      d = muladd(momentum, at.get(buffer + i), d);
      at.put(buffer + i, d);
    }
    at.put(this->p + i, muladd(rate, d, x));
  }
};

NORMGRAD_OPTIMIZER_STEP(RMSpropOptions);

}  // namespace normgrad::kernels::NORMGRAD_SIMD_NAMESPACE
