#include "normgrad/core/kernels/elementwise/unary.hpp"
#include "normgrad/core/simd/detail/math.hpp"

namespace normgrad::kernels::NORMGRAD_SIMD_NAMESPACE {

namespace {

template <class T, class F>
void map(const T* x, T* y, std::int64_t n, F f) {
  std::int64_t i = 0;
  for (; i + kLanes<T> <= n; i += kLanes<T>) {
    store<T>(y + i, f(load(x + i)));
  }
  if (i < n) {
    store_partial<T>(y + i, f(load_partial(x + i, n - i)), n - i);
  }
}

}  // namespace

template <class T>
void unary(UnaryOp op, UnaryParams params, const T* x, T* y, std::int64_t n) {
  using B = Batch<T>;
  const B zero(T(0));
  const B half(T(0.5));
  const B one(T(1));
  const B p(static_cast<T>(params.p));
  const B q(static_cast<T>(params.q));
  switch (op) {
    case UnaryOp::neg:
      return map(x, y, n, [](const B& v) { return -v; });
    case UnaryOp::abs:
      return map(x, y, n, [](const B& v) { return xsimd::abs(v); });
    case UnaryOp::sign:
      return map(x, y, n, [=](const B& v) { return select(v > zero, one, select(v < zero, -one, zero)); });
    case UnaryOp::exp:
      return map(x, y, n, [](const B& v) { return vexp(v); });
    case UnaryOp::log:
      return map(x, y, n, [](const B& v) { return vlog(v); });
    case UnaryOp::sqrt:
      return map(x, y, n, [](const B& v) { return xsimd::sqrt(v); });
    case UnaryOp::rsqrt:
      return map(x, y, n, [=](const B& v) { return one / xsimd::sqrt(v); });
    case UnaryOp::square:
      return map(x, y, n, [](const B& v) { return v * v; });
    case UnaryOp::erf:
      return map(x, y, n, [](const B& v) { return verf(v); });
    case UnaryOp::relu:
      return map(x, y, n, [=](const B& v) { return select(v <= zero, zero, v); });
    case UnaryOp::leaky_relu:
      return map(x, y, n, [=](const B& v) { return select(v > zero, v, v * p); });
    case UnaryOp::elu:
      return map(x, y, n, [=](const B& v) { return q * select(v > zero, v, p * vexpm1(v)); });
    case UnaryOp::gelu:
      return map(x, y, n, [](const B& v) { return not_too_low(v) * Normal<B>(v).distribution; });
    case UnaryOp::silu:
      return map(x, y, n, [](const B& v) { return not_too_low(v) * vsigmoid(v); });
    case UnaryOp::sigmoid:
      return map(x, y, n, [](const B& v) { return vsigmoid(v); });
    case UnaryOp::tanh:
      return map(x, y, n, [](const B& v) { return vtanh(v); });
    case UnaryOp::softplus:
      return map(x, y, n, [=](const B& v) {
        const B scaled = v * p;
        return select(scaled > q, v, vlog1p(vexp(scaled)) / p);
      });
    case UnaryOp::clamp:
      return map(x, y, n, [=](const B& v) {
        const B raised = select(v < p, p, v);
        return select(raised > q, q, raised);
      });
    case UnaryOp::sin:
    case UnaryOp::cos:
      break;
  }
}

template void unary<float>(UnaryOp, UnaryParams, const float*, float*, std::int64_t);
template void unary<double>(UnaryOp, UnaryParams, const double*, double*, std::int64_t);

}  // namespace normgrad::kernels::NORMGRAD_SIMD_NAMESPACE
