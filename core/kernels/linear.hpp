// A linear layer behind an activation, and what a linear layer's backward computes.
#pragma once

#include <cstdint>
#include <optional>

#include "normgrad/core/kernels/unary.hpp"

namespace normgrad::kernels {

/// h = f(z), y = h w^T + b for z, h: [rows, in], w: [out, in], b: [out] or null, y: [rows, out]. Element by element
/// what unary() and gemm() compute, but rows of h are used where they were made. T: float or double.
template <class T>
struct ActivatedLinear {
  UnaryOp f;
  std::int64_t rows;
  std::int64_t in;
  std::int64_t out;
  const T* z;
  const T* w;
  const T* b;
  T* h;
  T* y;
};
template <class T>
void activated_linear(const ActivatedLinear<T>& l);

/// y = x w^T + b for x: [rows, in], w: [out, in]; gy: [rows, out].
template <class T>
struct LinearGradients {
  std::int64_t rows;
  std::int64_t in;
  std::int64_t out;
  const T* gy;
  const T* x;  ///< needed for gw, and for f
  const T* w;  ///< needed for gx
  T* gx;       ///< gy w, unless null; times f'(z), from x = f(z), where there is an `f`
  T* gw;       ///< gy^T x, unless null
  T* gb;       ///< the sum of gy's rows, unless null
  std::optional<UnaryGrad> f = {};
};

/// All of them in one parallel region; the same bits for any number of threads. T: float or double.
template <class T>
void linear_backward(const LinearGradients<T>& g);

}  // namespace normgrad::kernels
