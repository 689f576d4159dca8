#include "normgrad/core/ops/elementwise/elliot.hpp"

#include <gtest/gtest.h>

#include <cmath>

#include "tests/support/gradients.hpp"
#include "tests/support/raises.hpp"
#include "tests/support/simd_levels.hpp"
#include "tests/support/values.hpp"
#include "normgrad/core/ops/creation.hpp"
#include "normgrad/core/ops/elementwise/arithmetic.hpp"

namespace normgrad {
namespace NORMGRAD_TEST_FILE {

using ElliotTest = tests::SimdLevelTest;

TEST_P(ElliotTest, Values) {
  for (const DType dtype : {kFloat32, kFloat64}) {
    const Tensor x = tests::random_tensor({5, 7}, dtype, 1);
    const std::vector<double> in = x.to(kFloat64).to_vector<double>();
    const std::vector<double> out = elliot(x).to(kFloat64).to_vector<double>();
    for (std::size_t i = 0; i < in.size(); ++i) {
      EXPECT_NEAR(out[i], in[i] / (1.0 + std::fabs(in[i])), dtype == kFloat32 ? 2e-7 : 4e-16);
    }
  }
}

TEST_P(ElliotTest, Gradients) {
  for (const Shape& shape : {Shape{6}, Shape{2, 3}, Shape{}}) {
    const Tensor x = (tests::random_tensor(shape, kFloat64, 2) * 0.2 + 1.0).detach().requires_grad_();
    EXPECT_TRUE(tests::gradients_agree([](const auto& in) { return elliot(in[0]); }, {x}));
  }
}

TEST(ElliotErrorTest, OfWholeNumbers) {
  EXPECT_EQ(tests::error_of<DTypeError>([] { elliot(ones({2}, {.dtype = kInt64})); }),
            "elliot: expected a float32 or float64 tensor but got int64");
}

INSTANTIATE_TEST_SUITE_P(Levels, ElliotTest, tests::simd_levels(), tests::name_of_level);

}  // namespace NORMGRAD_TEST_FILE
}  // namespace normgrad
