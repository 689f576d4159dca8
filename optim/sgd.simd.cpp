#include "normgrad/optim/sgd.hpp"

#include "normgrad/optim/detail/step.hpp"

namespace normgrad::kernels::NORMGRAD_SIMD_NAMESPACE {

/// buffer = momentum buffer + (1 - dampening) g (g itself in the first step); p -= lr (g + momentum buffer) with
/// Nesterov, else p -= lr buffer; without momentum p -= lr g.
template <class T>
struct Update<T, SGDOptions> : Start<T> {
  T* buffer;  // null without momentum
  bool is_first;
  bool nesterov;
  Batch<T> rate;
  Batch<T> momentum;
  Batch<T> new_weight;

  Update(const StepArrays<T>& a, const SGDOptions& o)
      : Start<T>(a, o.maximize, decay(o, false)),
        buffer(a.slots[0]),
        is_first(a.is_new[0]),
        nesterov(o.nesterov),
        rate(all<T>(-o.lr)),
        momentum(all<T>(o.momentum)),
        new_weight(all<T>(1.0 - o.dampening)) {}

  template <class Access>
  void operator()(std::int64_t i, Access at) const {
    const Batch<T> x = this->x(i, at);
    Batch<T> g = this->g(i, x, at);
    if (buffer != nullptr) {
      const Batch<T> b = is_first ? g : muladd(momentum, at.get(buffer + i), new_weight * g);
      at.put(buffer + i, b);
      g = nesterov ? muladd(momentum, b, g) : b;
    }
    at.put(this->p + i, muladd(rate, g, x));
  }
};

NORMGRAD_OPTIMIZER_STEP(SGDOptions);

}  // namespace normgrad::kernels::NORMGRAD_SIMD_NAMESPACE
