#include "normgrad/core/autograd/gradcheck.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>

#include "normgrad/core/autograd/record.hpp"

namespace normgrad {
namespace {

Tensor values(const std::vector<double>& v, const Shape& shape) {
  Tensor x = Tensor::empty(shape, kFloat64);
  std::copy(v.begin(), v.end(), x.mutable_data<double>());
  return x.requires_grad_();
}

// y = x^3 with `factor` times the right gradient.
Tensor cube(const Tensor& x, double factor) {
  Tensor y = Tensor::empty(x.shape(), kFloat64);
  for (std::int64_t i = 0; i < x.numel(); ++i) {
    y.mutable_data<double>()[i] = std::pow(x.data<double>()[i], 3);
  }
  return record("cube", y, {x}, [x = Saved(x), factor](const Tensor& gy, GradSink& into) {
    Tensor gx = Tensor::empty(gy.shape(), kFloat64);
    for (std::int64_t i = 0; i < gy.numel(); ++i) {
      gx.mutable_data<double>()[i] = factor * 3 * gy.data<double>()[i] * std::pow(x.get().data<double>()[i], 2);
    }
    into.add(0, gx);
  });
}

TEST(GradCheckTest, RightGradientPasses) {
  const auto report = gradcheck([](auto& in) { return cube(in[0], 1.0); }, {values({0.5, -1, 2, 3}, {2, 2})});
  EXPECT_TRUE(report.passed) << report;
  EXPECT_LT(report.max_rel_error(), 1e-9) << report;
}

TEST(GradCheckTest, FactorIsFound) {
  const auto report = gradcheck([](auto& in) { return cube(in[0], 1.000001); }, {values({0.5, -1, 2, 3}, {2, 2})});
  EXPECT_FALSE(report.passed) << report;
}

}  // namespace
}  // namespace normgrad
