#include "normgrad/core/kernels/optim_step.hpp"

#include "normgrad/core/kernels/optim_step_simd.hpp"

namespace normgrad::kernels::NORMGRAD_SIMD_NAMESPACE {

namespace {

template <class T>
struct Sgd {
  T* p;
  const T* gradient;
  T* buffer;
  const SgdStep& step;
  Batch<T> sign = Batch<T>(static_cast<T>(step.maximize ? -1.0 : 1.0));
  Batch<T> rate = Batch<T>(static_cast<T>(-step.lr));
  Batch<T> momentum = Batch<T>(static_cast<T>(step.momentum));
  Batch<T> fresh = Batch<T>(static_cast<T>(1.0 - step.dampening));
  Batch<T> weight_decay = Batch<T>(static_cast<T>(step.weight_decay));

  template <class Access>
  void operator()(std::int64_t i, Access at) const {
    const Batch<T> x = at.get(p + i);
    Batch<T> g = muladd(weight_decay, x, sign * at.get(gradient + i));
    if (buffer != nullptr) {
      const Batch<T> b = step.first ? g : muladd(momentum, at.get(buffer + i), fresh * g);
      at.put(buffer + i, b);
      g = step.nesterov ? muladd(momentum, b, g) : b;
    }
    at.put(p + i, muladd(rate, g, x));
  }
};

template <class T>
struct Adam {
  T* p;
  const T* gradient;
  T* m;
  T* v;
  T* vmax;
  const AdamStep& step;
  Batch<T> sign = Batch<T>(static_cast<T>(step.maximize ? -1.0 : 1.0));
  Batch<T> beta1 = Batch<T>(static_cast<T>(step.beta1));
  Batch<T> beta2 = Batch<T>(static_cast<T>(step.beta2));
  Batch<T> fresh1 = Batch<T>(static_cast<T>(1.0 - step.beta1));
  Batch<T> fresh2 = Batch<T>(static_cast<T>(1.0 - step.beta2));
  Batch<T> eps = Batch<T>(static_cast<T>(step.eps));
  Batch<T> weight_decay = Batch<T>(static_cast<T>(step.weight_decay));
  Batch<T> keep = Batch<T>(static_cast<T>(1.0 - step.decay));
  Batch<T> rate = Batch<T>(static_cast<T>(-step.step_size));
  Batch<T> rscale = Batch<T>(static_cast<T>(step.rscale));

  template <class Access>
  void operator()(std::int64_t i, Access at) const {
    const Batch<T> x = keep * at.get(p + i);
    const Batch<T> g = muladd(weight_decay, x, sign * at.get(gradient + i));
    const Batch<T> mean = muladd(beta1, at.get(m + i), fresh1 * g);
    Batch<T> square = muladd(beta2, at.get(v + i), fresh2 * g * g);
    at.put(m + i, mean);
    at.put(v + i, square);
    if (vmax != nullptr) {
      square = xsimd::max(at.get(vmax + i), square);
      at.put(vmax + i, square);
    }
    const Batch<T> root = muladd(xsimd::sqrt(square), rscale, eps);
    at.put(p + i, muladd(rate, mean / root, x));
  }
};

}  // namespace

template <class T>
void sgd_step(T* p, const T* gradient, T* buffer, std::int64_t n, const SgdStep& step) {
  for_each_register<T>(Sgd<T>{p, gradient, buffer, step}, 0, n);
}

template <class T>
void adam_step(T* p, const T* gradient, T* m, T* v, T* vmax, std::int64_t n, const AdamStep& step) {
  for_each_register<T>(Adam<T>{p, gradient, m, v, vmax, step}, 0, n);
}

template void sgd_step<float>(float*, const float*, float*, std::int64_t, const SgdStep&);
template void sgd_step<double>(double*, const double*, double*, std::int64_t, const SgdStep&);
template void adam_step<float>(float*, const float*, float*, float*, float*, std::int64_t, const AdamStep&);
template void adam_step<double>(double*, const double*, double*, double*, double*, std::int64_t, const AdamStep&);

}  // namespace normgrad::kernels::NORMGRAD_SIMD_NAMESPACE
