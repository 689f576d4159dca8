#include "normgrad/core/kernels/elementwise/unary.hpp"
#include "normgrad/core/simd/detail/math.hpp"

namespace normgrad::kernels::NORMGRAD_SIMD_NAMESPACE {

namespace {

template <class T, class F>
void map(const T* s, const T* gy, T* gx, std::int64_t n, F f) {
  std::int64_t i = 0;
  for (; i + kLanes<T> <= n; i += kLanes<T>) {
    store<T>(gx + i, f(load(s + i), load(gy + i)));
  }
  if (i < n) {
    store_partial<T>(gx + i, f(load_partial(s + i, n - i), load_partial(gy + i, n - i)), n - i);
  }
}

}  // namespace

template <class T>
void unary_grad(UnaryGrad op, UnaryParams params, const T* s, const T* gy, T* gx, std::int64_t n) {
  using B = Batch<T>;
  const B zero(T(0));
  const B half(T(0.5));
  const B one(T(1));
  const B p(static_cast<T>(params.p));
  const B q(static_cast<T>(params.q));
  switch (op) {
    case UnaryGrad::abs:
      return map(s, gy, gx, n,
                 [=](const B& x, const B& g) { return select(x > zero, g, select(x < zero, -g, zero * g)); });
    case UnaryGrad::sqrt:
      return map(s, gy, gx, n, [=](const B& y, const B& g) { return half * g / y; });
    case UnaryGrad::rsqrt:
      return map(s, gy, gx, n, [=](const B& y, const B& g) { return -half * g * (y * y * y); });
    case UnaryGrad::square:
      return map(s, gy, gx, n, [](const B& x, const B& g) { return (x + x) * g; });
    case UnaryGrad::relu:
      return map(s, gy, gx, n, [=](const B& y, const B& g) { return select(y <= zero, zero, g); });
    case UnaryGrad::leaky_relu:
      return map(s, gy, gx, n, [=](const B& x, const B& g) { return select(x > zero, g, g * p); });
    case UnaryGrad::elu:
      return map(s, gy, gx, n, [=](const B& x, const B& g) { return q * g * select(x > zero, one, p * vexp(x)); });
    case UnaryGrad::gelu:
      return map(s, gy, gx, n, [](const B& x, const B& g) {
        const Normal<B> normal(x);
        return g * (normal.distribution + not_too_large(x) * normal.density);
      });
    case UnaryGrad::silu:
      return map(s, gy, gx, n, [=](const B& x, const B& g) {
        const B y = vsigmoid(x);
        return g * y * (one + not_too_large(x) * (one - y));
      });
    case UnaryGrad::sigmoid:
      return map(s, gy, gx, n, [=](const B& y, const B& g) { return g * (y * (one - y)); });
    case UnaryGrad::tanh:
      return map(s, gy, gx, n, [=](const B& y, const B& g) { return g * (one - y * y); });
    case UnaryGrad::softplus:
      return map(s, gy, gx, n, [=](const B& x, const B& g) {
        const B scaled = x * p;
        return g * select(scaled > q, one, vsigmoid(scaled));
      });
    case UnaryGrad::clamp:
      return map(s, gy, gx, n, [=](const B& x, const B& g) { return select((x < p) | (x > q), zero, g); });
    case UnaryGrad::hardtanh:
      return map(s, gy, gx, n, [=](const B& x, const B& g) { return select((x <= p) | (x >= q), zero, g); });
  }
}

template void unary_grad<float>(UnaryGrad, UnaryParams, const float*, const float*, float*, std::int64_t);
template void unary_grad<double>(UnaryGrad, UnaryParams, const double*, const double*, double*, std::int64_t);

}  // namespace normgrad::kernels::NORMGRAD_SIMD_NAMESPACE
