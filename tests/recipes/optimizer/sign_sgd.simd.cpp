#include "normgrad/optim/sign_sgd.hpp"

#include "normgrad/optim/detail/step.hpp"

namespace normgrad::kernels::NORMGRAD_SIMD_NAMESPACE {

/// p *= 1 - lr weight_decay; p -= lr sign(g).
template <class T>
struct Update<T, SignSGDOptions> : Start<T> {
  Batch<T> rate;

  Update(const StepArrays<T>& a, const SignSGDOptions& o)
      : Start<T>(a, o.maximize, decay(o, true)), rate(all<T>(-o.lr)) {}

  template <class Access>
  void operator()(std::int64_t i, Access at) const {
    const Batch<T> zero = all<T>(0.0);
    const Batch<T> x = this->x(i, at);
    const Batch<T> g = this->g(i, x, at);
    // 0 and NaN stay unchanged.
    const Batch<T> direction = xsimd::select(g > zero, all<T>(1.0), xsimd::select(g < zero, all<T>(-1.0), g));
    at.put(this->p + i, muladd(rate, direction, x));
  }
};

NORMGRAD_OPTIMIZER_STEP(SignSGDOptions);

}  // namespace normgrad::kernels::NORMGRAD_SIMD_NAMESPACE
