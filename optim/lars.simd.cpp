#include "normgrad/optim/lars.hpp"

#include "normgrad/optim/detail/step.hpp"

namespace normgrad::kernels::NORMGRAD_SIMD_NAMESPACE {

/// b = momentum b + rate (g + weight_decay p); p -= b. The rate of the layer is the scalar.
template <class T>
struct Update<T, LARSOptions> : Start<T> {
  T* buffer;
  Batch<T> momentum;
  Batch<T> rate;

  Update(const StepArrays<T>& a, const LARSOptions& o)
      : Start<T>(a, o.maximize, decay(o, false)),
        buffer(a.slots[0]),
        momentum(all<T>(o.momentum)),
        rate(all<T>(a.scalar)) {}

  template <class Access>
  void operator()(std::int64_t i, Access at) const {
    const Batch<T> x = this->x(i, at);
    const Batch<T> b = muladd(momentum, at.get(buffer + i), rate * this->g(i, x, at));
    at.put(buffer + i, b);
    at.put(this->p + i, x - b);
  }
};

NORMGRAD_OPTIMIZER_STEP(LARSOptions);

}  // namespace normgrad::kernels::NORMGRAD_SIMD_NAMESPACE
