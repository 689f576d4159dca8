// Functions and inputs for the tests of the gradient checker.
#pragma once

#include <functional>
#include <vector>

#include "tests/support/toy_ops.hpp"
#include "normgrad/core/autograd/function.hpp"
#include "normgrad/core/base/random.hpp"

namespace normgrad::tests {

using Inputs = std::vector<Tensor>;

inline Tensor random(const Shape& shape, double mean = 0.0, double sigma = 1.0, std::uint64_t seed = 1) {
  Generator generator(seed);
  Tensor x = Tensor::empty(shape, kFloat64);
  for (std::int64_t i = 0; i < x.numel(); ++i) {
    x.mutable_data<double>()[i] = mean + sigma * generator.normal();
  }
  return x.requires_grad_();
}

inline Tensor filled(const Shape& shape, double value) { return Tensor::empty(shape, kFloat64).fill_(value); }

// An element-wise function with the given derivative, which may be wrong; first order only.
inline Tensor unary(const Tensor& x, const std::function<double(double)>& f, const std::function<double(double)>& df) {
  return apply_function(
      "unary", {x}, [f](auto& in) { return map(in[0], f); },
      [df](auto& in, auto&, auto& gy) { return Inputs{map(gy, map(in[0], df), std::multiplies<double>())}; });
}

inline Tensor square(const Inputs& in) { return tests::mul(in[0], in[0]); }

}  // namespace normgrad::tests
