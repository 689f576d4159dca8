// y = f(x), and gx = gy * f'(x) in one pass.
#pragma once

#include <cstdint>

#include "normgrad/core/simd/dispatch.hpp"

namespace normgrad::kernels {

/// Parameters p and q are given beside the operations that use them.
enum class UnaryOp {
  neg,
  abs,
  sign,
  exp,
  log,
  sqrt,
  rsqrt,
  square,
  sin,
  cos,
  erf,
  relu,
  leaky_relu,  ///< p: slope
  elu,         ///< x > 0: q * x, else q * p * (exp(x) - 1)
  gelu,
  silu,
  sigmoid,
  tanh,
  softplus,  ///< p: beta, q: threshold
  clamp,     ///< to [p, q]
};

/// `s` is the operation's input x or its result y, as given for each derivative.
enum class UnaryGrad {
  abs,         ///< x
  sqrt,        ///< y
  rsqrt,       ///< y
  square,      ///< x
  relu,        ///< y
  leaky_relu,  ///< x; p: slope
  elu,         ///< x; p, q as for elu
  gelu,        ///< x
  silu,        ///< x
  sigmoid,     ///< y
  tanh,        ///< y
  softplus,    ///< x; p: beta, q: threshold
  clamp,       ///< x; p, q as for clamp
  hardtanh,    ///< x; as clamp, but 0 at the limits, too
};

struct UnaryParams {
  double p = 0.0;
  double q = 0.0;
};

/// sines: the sine or cosine of x, also of large numbers.
NORMGRAD_SIMD_DECLARE(template <class T> void unary(UnaryOp op, UnaryParams params, const T* x, T* y, std::int64_t n);
                      template <class T>
                      void unary_grad(UnaryGrad op, UnaryParams params, const T* s, const T* gy, T* gx, std::int64_t n);
                      void sines(bool cosine, const float* x, float* y, std::int64_t n);)

/// T: float or double. NaN gives NaN, except for sign (0). An element's result does not depend on its position. y may
/// be x.
template <class T>
void unary(UnaryOp op, UnaryParams params, const T* x, T* y, std::int64_t n);

/// gx[i] = gy[i] * f'(x[i]). gx may be gy.
template <class T>
void unary_grad(UnaryGrad op, UnaryParams params, const T* s, const T* gy, T* gx, std::int64_t n);

}  // namespace normgrad::kernels
