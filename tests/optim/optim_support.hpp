// Parameters and gradients for the tests of optimizers.
#pragma once

#include <vector>

#include "normgrad/core/autograd/tensor.hpp"

namespace normgrad::tests {

inline Tensor tensor_of(const std::vector<double>& values, DType dtype = kFloat64) {
  Tensor tensor = Tensor::empty({static_cast<std::int64_t>(values.size())}, dtype);
  dispatch_float("tensor_of", dtype, [&](auto zero) {
    using T = decltype(zero);
    T* to = tensor.mutable_data<T>();
    for (const double value : values) {
      *to++ = static_cast<T>(value);
    }
  });
  return tensor;
}

inline Tensor param_of(const std::vector<double>& values, DType dtype = kFloat64) {
  Tensor tensor = tensor_of(values, dtype);
  tensor.requires_grad_();
  return tensor;
}

/// The start value of a parameter, and its gradients in four steps.
inline const std::vector<double> kStart = {0.5, -1.25, 2.0};
inline const std::vector<std::vector<double>> kGradients = {
    {0.3, -0.7, 1.1}, {-0.2, 0.4, 0.9}, {0.6, 0.1, -1.3}, {0.05, -0.9, 0.2}};

}  // namespace normgrad::tests
