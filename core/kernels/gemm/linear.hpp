// A linear layer preceded by an activation, and the backward of a linear layer.
#pragma once

#include <cstdint>
#include <optional>

#include "normgrad/core/kernels/elementwise/unary.hpp"

namespace normgrad::kernels {

/// h = f(z), y = h w^T + b for z, h: [rows, in], w: [out, in], b: [out] or null, y: [rows, out]. The elements equal
/// those of unary() and gemm(), but rows of h are used while cached. T: float or double.
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

/// Gradients of y = x w^T + b for x: [rows, in], w: [out, in], gy: [rows, out].
template <class T>
struct LinearGradients {
  std::int64_t rows;
  std::int64_t in;
  std::int64_t out;
  const T* gy;
  const T* x;  ///< needed for gw, and for f
  const T* w;  ///< needed for gx
  T* gx;       ///< gy w, unless null; times f'(z), computed from x = f(z), if `f` is set
  T* gw;       ///< gy^T x, unless null
  T* gb;       ///< the sum of the rows of gy, unless null
  std::optional<UnaryGrad> f = {};
};

/// Computes all gradients in one parallel region, with the same bits for any number of threads. T: float or double.
template <class T>
void linear_backward(const LinearGradients<T>& g);

}  // namespace normgrad::kernels
