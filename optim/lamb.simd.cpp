#include "normgrad/optim/lamb.hpp"

#include <math.h>

#include "normgrad/optim/detail/step.hpp"

namespace normgrad::kernels::NORMGRAD_SIMD_NAMESPACE {

/// The direction r = m / (1 - beta1^t) / (sqrt(v / (1 - beta2^t)) + eps) + weight_decay p, into the third slot. The
/// parameter stays unchanged.
template <class T>
struct Update<T, LAMBOptions> : Start<T> {
  Mean<T> m;
  Mean<T> v;
  T* direction;
  Batch<T> of_mean;
  Batch<T> of_square;
  Batch<T> eps;
  Batch<T> pull;

  Update(const StepArrays<T>& a, const LAMBOptions& o)
      : Start<T>(a, o.maximize, {}),
        m(a.slots[0], element(o.betas, 0)),
        v(a.slots[1], element(o.betas, 1)),
        direction(a.slots[2]),
        of_mean(all<T>(1.0 / (1.0 - ::pow(element(o.betas, 0), static_cast<double>(a.step))))),
        of_square(all<T>(1.0 / (1.0 - ::pow(element(o.betas, 1), static_cast<double>(a.step))))),
        eps(all<T>(o.eps)),
        pull(all<T>(o.weight_decay)) {}

  template <class Access>
  void operator()(std::int64_t i, Access at) const {
    const Batch<T> x = at.get(this->p + i);
    const Batch<T> g = this->sign * at.get(this->gradient + i);
    const Batch<T> mean = m.update(i, g, at) * of_mean;
    const Batch<T> square = v.update(i, g * g, at) * of_square;
    at.put(direction + i, muladd(pull, x, mean / (xsimd::sqrt(square) + eps)));
  }
};

NORMGRAD_OPTIMIZER_STEP(LAMBOptions);

}  // namespace normgrad::kernels::NORMGRAD_SIMD_NAMESPACE
