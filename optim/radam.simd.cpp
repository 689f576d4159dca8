#include "normgrad/optim/radam.hpp"

#include <math.h>

#include "normgrad/optim/detail/step.hpp"

namespace normgrad::kernels::NORMGRAD_SIMD_NAMESPACE {

/// m and v as in Adam; with rho = 2 / (1 - beta2) - 1 and rho_t = rho - 2 t beta2^t / (1 - beta2^t):
/// p -= lr m / (1 - beta1^t) while rho_t <= 5, then p -= lr r_t m / (1 - beta1^t) sqrt(1 - beta2^t) / (sqrt(v) + eps),
/// where r_t^2 = (rho_t - 4) (rho_t - 2) rho / ((rho - 4) (rho - 2) rho_t).
template <class T>
struct Update<T, RAdamOptions> : Start<T> {
  Mean<T> m;
  Mean<T> v;
  Batch<T> eps;
  Batch<T> rate;
  bool rectified;

  Update(const StepArrays<T>& a, const RAdamOptions& o)
      : Start<T>(a, o.maximize, decay(o, o.decoupled_weight_decay)),
        m(a.slots[0], element(o.betas, 0)),
        v(a.slots[1], element(o.betas, 1)),
        eps(all<T>(o.eps)) {
    const auto t = static_cast<double>(a.step);
    const double beta2 = element(o.betas, 1);
    const double beta2_t = ::pow(beta2, t);
    const double longest = 2.0 / (1.0 - beta2) - 1.0;
    const double length = longest - 2.0 * t * beta2_t / (1.0 - beta2_t);
    rectified = length > 5.0;
    double step_size = o.lr / (1.0 - ::pow(element(o.betas, 0), t));
    if (rectified) {
      step_size *= ::sqrt((1.0 - beta2_t) * (length - 4.0) * (length - 2.0) * longest /
                          ((longest - 4.0) * (longest - 2.0) * length));
    }
    rate = all<T>(-step_size);
  }

  template <class Access>
  void operator()(std::int64_t i, Access at) const {
    const Batch<T> x = this->x(i, at);
    const Batch<T> g = this->g(i, x, at);
    Batch<T> d = m.update(i, g, at);
    const Batch<T> square = v.update(i, g * g, at);
    if (rectified) {
      d = d / (xsimd::sqrt(square) + eps);
    }
    at.put(this->p + i, muladd(rate, d, x));
  }
};

NORMGRAD_OPTIMIZER_STEP(RAdamOptions);

}  // namespace normgrad::kernels::NORMGRAD_SIMD_NAMESPACE
