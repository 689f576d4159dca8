// Logarithms of the logistic function.
#pragma once

#include <cstdint>

#include "normgrad/core/simd/dispatch.hpp"

namespace normgrad::kernels {

NORMGRAD_SIMD_DECLARE(template <class T> void log_sigmoid(const T* x, T* y, std::int64_t n);
                      template <class T> void logistic_loss(const T* x, const T* a, const T* b, T* y, std::int64_t n);)

/// y = log(1 / (1 + exp(-x))), without overflow for large |x|.
template <class T>
void log_sigmoid(const T* x, T* y, std::int64_t n);

/// y = -(a log(sigmoid(x)) + b log(sigmoid(-x))): logistic loss with weights a and b of the two classes. A weight of 0
/// contributes nothing, even if its logarithm is infinite.
template <class T>
void logistic_loss(const T* x, const T* a, const T* b, T* y, std::int64_t n);

}  // namespace normgrad::kernels
