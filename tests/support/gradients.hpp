// EXPECT_TRUE(gradients_agree(f, inputs)): checks first and second order; prints the report on failure.
#pragma once

#include <gtest/gtest.h>

#include "normgrad/core/autograd/gradcheck/gradcheck.hpp"

namespace normgrad::tests {

inline testing::AssertionResult gradients_agree(const TensorFunction& f, const std::vector<Tensor>& inputs,
                                                int max_order = 2, const GradCheckOptions& options = {}) {
  for (int order = 1; order <= max_order; ++order) {
    const GradCheckReport report = gradcheck_order(f, inputs, order, options);
    if (!report.passed) {
      return testing::AssertionFailure() << report;
    }
  }
  return testing::AssertionSuccess();
}

}  // namespace normgrad::tests
