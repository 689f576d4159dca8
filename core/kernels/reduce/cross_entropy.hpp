// Softmax cross entropy of rows, without storing probabilities.
#pragma once

#include <cstdint>

#include "normgrad/core/simd/dispatch.hpp"

namespace normgrad::kernels {

NORMGRAD_SIMD_DECLARE(
    /// The largest of n >= 1 elements, and the sum of exp(x - largest).
    template <class T> void max_and_exp_sum(const T* x, std::int64_t n, T* max, T* sum);
    /// y = scale * exp(x - shift).
    template <class T> void scaled_exp(const T* x, T shift, T scale, T* y, std::int64_t n);)

/// Rows of `classes` logits with one target index each. Per row, q = (1 - smoothing) w[t] onehot(t) + smoothing /
/// classes * w, and loss = sum(q * (logsumexp(x) - x)). Rows with target `ignore_index` contribute nothing.
template <class T>
struct CrossEntropyRows {
  const T* x;                  ///< [rows, classes]
  const std::int64_t* target;  ///< [rows], each in [0, classes) or ignore_index
  const T* weight;             ///< [classes], or null for ones
  std::int64_t rows;
  std::int64_t classes;
  std::int64_t ignore_index;
  double smoothing;
};

/// loss: [rows]; logsumexp: [rows], for the backward.
template <class T>
void cross_entropy_forward(const CrossEntropyRows<T>& in, T* loss, T* logsumexp);
/// gx = gy (softmax(x) sum(q) - q); gy: [rows], gx: [rows, classes].
template <class T>
void cross_entropy_backward(const CrossEntropyRows<T>& in, const T* logsumexp, const T* gy, T* gx);

}  // namespace normgrad::kernels
