// Functions of one vector of numbers. For `*.simd.cpp` files only.
#pragma once

#include "normgrad/core/base/simd_batch.hpp"

namespace normgrad::kernels::NORMGRAD_SIMD_NAMESPACE {

template <class B>
inline B vexp(const B& x) {
  return xsimd::exp(x);
}
template <class B>
inline B vexpm1(const B& x) {
  return xsimd::expm1(x);
}
template <class B>
inline B vlog(const B& x) {
  return xsimd::log(x);
}
template <class B>
inline B vlog1p(const B& x) {
  return xsimd::log1p(x);
}
template <class B>
inline B vtanh(const B& x) {
  return xsimd::tanh(x);
}
template <class B>
inline B verf(const B& x) {
  return xsimd::erf(x);
}
template <class B>
inline B verfc(const B& x) {
  return xsimd::erfc(x);
}
template <class B>
inline B vsigmoid(const B& x) {
  const B one(typename B::value_type(1));
  return one / (one + vexp(-x));
}
/// NaN where an element of either is NaN.
template <class B>
inline B vmax(const B& a, const B& b) {
  return xsimd::select((a > b) | (a != a), a, b);
}
template <class B>
inline B vmin(const B& a, const B& b) {
  return xsimd::select((a < b) | (a != a), a, b);
}

}  // namespace normgrad::kernels::NORMGRAD_SIMD_NAMESPACE
