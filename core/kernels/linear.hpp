// What a linear layer's backward computes.
#pragma once

#include <cstdint>

namespace normgrad::kernels {

/// y = x w^T + b for x: [rows, in], w: [out, in]; gy: [rows, out].
template <class T>
struct LinearGradients {
  std::int64_t rows;
  std::int64_t in;
  std::int64_t out;
  const T* gy;
  const T* x;  ///< needed for gw
  const T* w;  ///< needed for gx
  T* gx;       ///< gy w, unless null
  T* gw;       ///< gy^T x, unless null
  T* gb;       ///< the sum of gy's rows, unless null
};

/// All of them in one parallel region; the same bits for any number of threads. T: float or double.
template <class T>
void linear_backward(const LinearGradients<T>& g);

}  // namespace normgrad::kernels
