#include "normgrad/core/kernels/adaptive_step.hpp"

#include "normgrad/core/kernels/optim_step_simd.hpp"

namespace normgrad::kernels::NORMGRAD_SIMD_NAMESPACE {

namespace {

// What all steps begin with: the decayed parameter and the gradient of this step.
template <class T>
struct Start {
  T* p;
  const T* gradient;
  Batch<T> sign;
  Batch<T> weight_decay;
  Batch<T> keep;

  template <class Job>
  explicit Start(const Job& job)
      : p(job.p),
        gradient(job.gradient),
        sign(static_cast<T>(job.step.common.maximize ? -1.0 : 1.0)),
        weight_decay(static_cast<T>(job.step.common.weight_decay)),
        keep(static_cast<T>(1.0 - job.step.common.decay)) {}
  template <class Access>
  Batch<T> x(std::int64_t i, Access at) const {
    return keep * at.get(p + i);
  }
  template <class Access>
  Batch<T> g(std::int64_t i, const Batch<T>& x, Access at) const {
    return muladd(weight_decay, x, sign * at.get(gradient + i));
  }
};

// An exponential mean: weight * old + (1 - weight) * now.
template <class T>
struct Mean {
  T* values;
  Batch<T> old_weight;
  Batch<T> new_weight;

  Mean(T* slot, double weight)
      : values(slot), old_weight(static_cast<T>(weight)), new_weight(static_cast<T>(1.0 - weight)) {}
  template <class Access>
  Batch<T> update(std::int64_t i, const Batch<T>& now, Access at) const {
    const Batch<T> mean = muladd(old_weight, at.get(values + i), new_weight * now);
    at.put(values + i, mean);
    return mean;
  }
};

template <class T>
Batch<T> all(double value) {
  return Batch<T>(static_cast<T>(value));
}

template <class Step>
struct Kernel;

template <>
struct Kernel<NadamStep> {
  template <class T, class Job>
  static void run(const Job& job, std::int64_t begin, std::int64_t end) {
    const NadamStep& step = job.step;
    const Start<T> start(job);
    const Mean<T> m(job.slots[0], step.beta1);
    const Mean<T> v(job.slots[1], step.beta2);
    const Batch<T> eps = all<T>(step.eps);
    const Batch<T> gradient_rate = all<T>(step.gradient_rate);
    const Batch<T> mean_rate = all<T>(-step.mean_rate);
    const Batch<T> rscale = all<T>(step.rscale);
    for_each_register<T>(
        [&](std::int64_t i, auto at) {
          const Batch<T> x = start.x(i, at);
          const Batch<T> g = start.g(i, x, at);
          const Batch<T> mean = m.update(i, g, at);
          const Batch<T> root = muladd(xsimd::sqrt(v.update(i, g * g, at)), rscale, eps);
          at.put(job.p + i, x + (mean_rate * mean - gradient_rate * g) / root);
        },
        begin, end);
  }
};

template <>
struct Kernel<RadamStep> {
  template <class T, class Job>
  static void run(const Job& job, std::int64_t begin, std::int64_t end) {
    const RadamStep& step = job.step;
    const Start<T> start(job);
    const Mean<T> m(job.slots[0], step.beta1);
    const Mean<T> v(job.slots[1], step.beta2);
    const Batch<T> eps = all<T>(step.eps);
    const Batch<T> rate = all<T>(-step.rate);
    for_each_register<T>(
        [&](std::int64_t i, auto at) {
          const Batch<T> x = start.x(i, at);
          const Batch<T> g = start.g(i, x, at);
          Batch<T> d = m.update(i, g, at);
          const Batch<T> square = v.update(i, g * g, at);
          if (step.rectified) {
            d = d / (xsimd::sqrt(square) + eps);
          }
          at.put(job.p + i, muladd(rate, d, x));
        },
        begin, end);
  }
};

template <>
struct Kernel<RmspropStep> {
  template <class T, class Job>
  static void run(const Job& job, std::int64_t begin, std::int64_t end) {
    const RmspropStep& step = job.step;
    const Start<T> start(job);
    const Mean<T> v(job.slots[0], step.alpha);
    const Mean<T> centre(job.slots[1], step.alpha);
    T* buffer = job.slots[2];
    const Batch<T> eps = all<T>(step.eps);
    const Batch<T> rate = all<T>(-step.lr);
    const Batch<T> momentum = all<T>(step.momentum);
    for_each_register<T>(
        [&](std::int64_t i, auto at) {
          const Batch<T> x = start.x(i, at);
          const Batch<T> g = start.g(i, x, at);
          Batch<T> square = v.update(i, g * g, at);
          if (centre.values != nullptr) {
            const Batch<T> mean = centre.update(i, g, at);
            square = xsimd::max(all<T>(0.0), square - mean * mean);  // rounding can take it below; keeps NaN
          }
          Batch<T> d = g / (xsimd::sqrt(square) + eps);
          if (buffer != nullptr) {
            d = muladd(momentum, at.get(buffer + i), d);
            at.put(buffer + i, d);
          }
          at.put(job.p + i, muladd(rate, d, x));
        },
        begin, end);
  }
};

template <>
struct Kernel<AdagradStep> {
  template <class T, class Job>
  static void run(const Job& job, std::int64_t begin, std::int64_t end) {
    const Start<T> start(job);
    T* sum = job.slots[0];
    const Batch<T> eps = all<T>(job.step.eps);
    const Batch<T> rate = all<T>(-job.step.rate);
    for_each_register<T>(
        [&](std::int64_t i, auto at) {
          const Batch<T> x = start.x(i, at);
          const Batch<T> g = start.g(i, x, at);
          const Batch<T> square = muladd(g, g, at.get(sum + i));
          at.put(sum + i, square);
          at.put(job.p + i, muladd(rate, g / (xsimd::sqrt(square) + eps), x));
        },
        begin, end);
  }
};

template <>
struct Kernel<AdadeltaStep> {
  template <class T, class Job>
  static void run(const Job& job, std::int64_t begin, std::int64_t end) {
    const Start<T> start(job);
    const Mean<T> v(job.slots[0], job.step.rho);
    const Mean<T> u(job.slots[1], job.step.rho);
    const Batch<T> eps = all<T>(job.step.eps);
    const Batch<T> rate = all<T>(-job.step.lr);
    for_each_register<T>(
        [&](std::int64_t i, auto at) {
          const Batch<T> x = start.x(i, at);
          const Batch<T> g = start.g(i, x, at);
          const Batch<T> root = xsimd::sqrt(v.update(i, g * g, at) + eps);
          const Batch<T> d = xsimd::sqrt(at.get(u.values + i) + eps) / root * g;
          u.update(i, d * d, at);
          at.put(job.p + i, muladd(rate, d, x));
        },
        begin, end);
  }
};

template <>
struct Kernel<AdamaxStep> {
  template <class T, class Job>
  static void run(const Job& job, std::int64_t begin, std::int64_t end) {
    const Start<T> start(job);
    const Mean<T> m(job.slots[0], job.step.beta1);
    T* largest = job.slots[1];
    const Batch<T> beta2 = all<T>(job.step.beta2);
    const Batch<T> eps = all<T>(job.step.eps);
    const Batch<T> rate = all<T>(-job.step.rate);
    for_each_register<T>(
        [&](std::int64_t i, auto at) {
          const Batch<T> x = start.x(i, at);
          const Batch<T> g = start.g(i, x, at);
          const Batch<T> mean = m.update(i, g, at);
          const Batch<T> u = xsimd::max(beta2 * at.get(largest + i), xsimd::abs(g) + eps);
          at.put(largest + i, u);
          at.put(job.p + i, muladd(rate, mean / u, x));
        },
        begin, end);
  }
};

template <>
struct Kernel<LionStep> {
  template <class T, class Job>
  static void run(const Job& job, std::int64_t begin, std::int64_t end) {
    const Start<T> start(job);
    const Mean<T> m(job.slots[0], job.step.beta2);
    const Batch<T> beta1 = all<T>(job.step.beta1);
    const Batch<T> fresh1 = all<T>(1.0 - job.step.beta1);
    const Batch<T> rate = all<T>(-job.step.lr);
    const Batch<T> zero = all<T>(0.0);
    for_each_register<T>(
        [&](std::int64_t i, auto at) {
          const Batch<T> x = start.x(i, at);
          const Batch<T> g = start.g(i, x, at);
          const Batch<T> c = muladd(beta1, at.get(m.values + i), fresh1 * g);
          // 0 and NaN stay what they are.
          const Batch<T> sign = xsimd::select(c > zero, all<T>(1.0), xsimd::select(c < zero, all<T>(-1.0), c));
          m.update(i, g, at);
          at.put(job.p + i, muladd(rate, sign, x));
        },
        begin, end);
  }
};

}  // namespace

template <class Job>
void adaptive_step(const Job& job, std::int64_t begin, std::int64_t end) {
  Kernel<typename Job::Step>::template run<typename Job::T>(job, begin, end);
}

template void adaptive_step(const StepJob<float, NadamStep>&, std::int64_t, std::int64_t);
template void adaptive_step(const StepJob<double, NadamStep>&, std::int64_t, std::int64_t);
template void adaptive_step(const StepJob<float, RadamStep>&, std::int64_t, std::int64_t);
template void adaptive_step(const StepJob<double, RadamStep>&, std::int64_t, std::int64_t);
template void adaptive_step(const StepJob<float, RmspropStep>&, std::int64_t, std::int64_t);
template void adaptive_step(const StepJob<double, RmspropStep>&, std::int64_t, std::int64_t);
template void adaptive_step(const StepJob<float, AdagradStep>&, std::int64_t, std::int64_t);
template void adaptive_step(const StepJob<double, AdagradStep>&, std::int64_t, std::int64_t);
template void adaptive_step(const StepJob<float, AdadeltaStep>&, std::int64_t, std::int64_t);
template void adaptive_step(const StepJob<double, AdadeltaStep>&, std::int64_t, std::int64_t);
template void adaptive_step(const StepJob<float, AdamaxStep>&, std::int64_t, std::int64_t);
template void adaptive_step(const StepJob<double, AdamaxStep>&, std::int64_t, std::int64_t);
template void adaptive_step(const StepJob<float, LionStep>&, std::int64_t, std::int64_t);
template void adaptive_step(const StepJob<double, LionStep>&, std::int64_t, std::int64_t);

}  // namespace normgrad::kernels::NORMGRAD_SIMD_NAMESPACE
