// The promises of docs/norms.md about norms of float32 tensors that are computed in float32, with every instruction
// set. With SSE2 they are computed in float64.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <typeinfo>

#include "tests/support/norm_arithmetic.hpp"
#include "tests/support/norm_errors.hpp"
#include "tests/support/simd_levels.hpp"

namespace normgrad {
namespace NORMGRAD_TEST_FILE {

using kernels::ChannelGeometry;
using kernels::ChannelsLastGeometry;
using kernels::RowGeometry;
using tests::by_formulas_of_pytorch;
using tests::Data;
using tests::errors_of;
using tests::NormErrors;
using tests::random_data;
using tests::Result;
using tests::run;
using tests::UsedNormArithmetic;

constexpr double kEps = 1e-5;
constexpr long double kElement = 2.0L;
constexpr long double kParameter = 3.5L;
constexpr long double kNearest = 0.5001L;

// Calls f with a geometry of every kernel and of every way through it.
template <class F>
void for_geometries(const F& f) {
  f(RowGeometry{64, 1, 1024, 1});          // LayerNorm
  f(RowGeometry{40, 1, 301, 1});           // the last batch overlaps
  f(RowGeometry{37, 1, 50, 1});            // an odd number of rows
  f(RowGeometry{3, 1, 7, 1});              // shorter than a register
  f(RowGeometry{30, 5, 1, 196});           // InstanceNorm
  f(RowGeometry{32, 4, 9, 49});            // GroupNorm, short runs: a register of them and one
  f(RowGeometry{32, 4, 2, 300});           // GroupNorm, long runs
  f(RowGeometry{32, 4, 8, 3});             // GroupNorm, runs shorter than a register
  f(ChannelGeometry{20, 5, 300});          // BatchNorm2d by planes
  f(ChannelGeometry{40, 20, 49});          // by channels
  f(ChannelGeometry{200, 7, 3});           // by channels shorter than a register
  f(ChannelGeometry{500, 33, 1});          // BatchNorm1d
  f(ChannelGeometry{20, 33, 1});           // few rows
  f(ChannelGeometry{2500, 33, 1});         // in tiles
  f(ChannelsLastGeometry{8, 196, 36, 4});  // GroupNorm in channels-last
  f(ChannelsLastGeometry{8, 49, 20, 20});  // InstanceNorm in channels-last
}

class NormArithmeticKernelTest : public tests::SimdLevelTest {};
INSTANTIATE_TEST_SUITE_P(Levels, NormArithmeticKernelTest, tests::simd_levels(), tests::name_of_level);

TEST_P(NormArithmeticKernelTest, ElementsAreWithinTwoUnitsOrPyTorchsError) {
  unsigned seed = 1;
  for (const double ratio : {0.0, 0.7, 3.0, 1e2, 1e4, 1e6}) {
    for (const double std : {1e-3, 1.3, 1e3}) {
      for_geometries([&](const auto& g) {
        const Data<float> d = random_data<float>(g, ratio * std, std, ++seed);
        const NormErrors actual = errors_of(g, d, run(g, d, kEps), kEps);
        const NormErrors pytorch = errors_of(g, d, by_formulas_of_pytorch(g, d, kEps), kEps);
        SCOPED_TRACE(testing::Message() << typeid(g).name() << ", " << tests::elements(g) << " elements, mean / std "
                                        << ratio << ", std " << std << "; PyTorch: " << pytorch);
        EXPECT_LE(actual.y, std::max(kElement, pytorch.y)) << actual;
        EXPECT_LE(actual.gx, std::max(kElement, pytorch.gx)) << actual;
        EXPECT_LE(actual.ggamma, kParameter) << actual;
        EXPECT_LE(actual.gbeta, kParameter) << actual;
      });
    }
  }
}

// The formulas for large means: the error does not grow with the mean.
TEST_P(NormArithmeticKernelTest, LargeMeansCostNoDigits) {
  for_geometries([&](const auto& g) {
    for (const double ratio : {1e3, 1e6}) {
      const Data<float> d = random_data<float>(g, ratio, 1.0, 3);
      const NormErrors actual = errors_of(g, d, run(g, d, kEps), kEps);
      EXPECT_LE(actual.y, kElement) << actual;
      EXPECT_LE(actual.gx, 2 * kElement) << actual;
    }
  });
}

TEST_P(NormArithmeticKernelTest, Float64GivesTheNearestNumberAndFloat32DoesNot) {
  int inexact = 0;
  int geometries = 0;
  for_geometries([&](const auto& g) {
    const Data<float> d = random_data<float>(g, 0.7, 1.0, 5);
    const NormErrors in_float32 = errors_of(g, d, run(g, d, kEps), kEps);
    const UsedNormArithmetic used(kFloat64);
    const NormErrors in_float64 = errors_of(g, d, run(g, d, kEps), kEps);
    EXPECT_LE(in_float64.y, kNearest);
    EXPECT_LE(in_float64.gx, kNearest);
    EXPECT_LE(in_float64.ggamma, kNearest);
    EXPECT_LE(in_float64.gbeta, kNearest);
    ++geometries;
    inexact += in_float32.y > kNearest && in_float32.gx > kNearest;
  });
  // All but the rows shorter than a register; with SSE2 norms compute in float64 in any case.
  EXPECT_EQ(inexact, GetParam() == SimdLevel::sse2 ? 0 : geometries - 1);
}

TEST_P(NormArithmeticKernelTest, AConstantGivesExactlyBeta) {
  for (const float value : {0.0F, 1.0F, 0.1F, -12345.678F, 1e30F, 3e38F, 1e-30F, 1e-40F}) {
    for_geometries([&](const auto& g) {
      Data<float> d = random_data<float>(g);
      std::fill(d.x.begin(), d.x.end(), value);
      const tests::ReferenceNorm norm = tests::reference(g, kEps, true);
      const Result<float> r = run(g, d, kEps);
      for (std::size_t i = 0; i < r.y.size(); ++i) {
        ASSERT_EQ(r.y[i], d.beta[static_cast<std::size_t>(norm.param_of(static_cast<std::int64_t>(i)))]) << value;
        ASSERT_TRUE(std::isfinite(r.gx[i])) << value;
      }
    });
  }
}

// Squares or products that leave the range of float32 are computed in float64.
TEST_P(NormArithmeticKernelTest, NumbersBeyondTheRangeOfFloat32AreNearest) {
  for (const double std : {1e30, 1e12, 1e-30}) {
    for_geometries([&](const auto& g) {
      const Data<float> d = random_data<float>(g, 0.5 * std, std, 7);
      const NormErrors e = errors_of(g, d, run(g, d, 1e-70), 1e-70);
      EXPECT_LE(e.y, kNearest) << std;
      EXPECT_LE(e.gx, kNearest) << std;
      EXPECT_LE(e.ggamma, kNearest) << std;
    });
  }
}

// The variance is far below eps, and float32 has no squares of the elements.
TEST_P(NormArithmeticKernelTest, TheVarianceOfTinyNumbersIsExact) {
  for_geometries([&](const auto& g) {
    const Data<float> d = random_data<float>(g, 0.5e-30, 1e-30, 7);
    const Result<float> r = run(g, d, kEps);
    const auto e = tests::reference_norm(tests::reference(g, kEps, true), d.x, d.gy, d.gamma, d.beta);
    for (std::size_t s = 0; s < r.var.size(); ++s) {
      ASSERT_NEAR(r.var[s], static_cast<double>(e.var[s]), 1e-12 * static_cast<double>(e.var[s]));
    }
  });
}

TEST_P(NormArithmeticKernelTest, SumsOfGradientsMayLeaveTheRangeOfFloat32) {
  for_geometries([&](const auto& g) {
    Data<float> d = random_data<float>(g, 0.5, 100.0, 7);
    for (float& v : d.gy) {
      v = std::clamp(v, -3.0F, 3.0F) * 1e37F;
    }
    std::fill(d.gamma.begin(), d.gamma.end(), 1.0F);
    const NormErrors e = errors_of(g, d, run(g, d, kEps), kEps);
    EXPECT_LE(e.gx, 2 * kElement) << e;
  });
}

// A row's results do not depend on whether its neighbors suit float32.
TEST_P(NormArithmeticKernelTest, ExtremeRowsChangeNoOthers) {
  for (const RowGeometry& g : {RowGeometry{12, 1, 100, 1}, RowGeometry{12, 4, 9, 20}, RowGeometry{12, 4, 2, 300}}) {
    const Data<float> d = random_data<float>(g);
    Data<float> extreme = d;
    const auto length = static_cast<std::size_t>(g.length());
    for (const std::size_t row : {3U, 8U}) {
      for (std::size_t i = row * length; i < (row + 1) * length; ++i) {
        extreme.x[i] *= 1e30F;
      }
    }
    const Result<float> a = run(g, d, kEps);
    const Result<float> b = run(g, extreme, kEps);
    for (std::size_t i = 0; i < a.y.size(); ++i) {
      if (i / length != 3 && i / length != 8) {
        ASSERT_EQ(a.y[i], b.y[i]);
        ASSERT_EQ(a.gx[i], b.gx[i]);
      } else {
        ASSERT_TRUE(std::isfinite(b.y[i]) && std::isfinite(b.gx[i]));
      }
    }
  }
}

// Long sets: a sum of a million squares in float32 alone would lose digits, and so would the correction for a first
// element that lies hundreds of deviations from the mean.
TEST_P(NormArithmeticKernelTest, LongSetsLoseNoDigits) {
  constexpr std::int64_t kLong = std::int64_t{1} << 20;
  // Among a million elements some meet nearly the worst of each rounding: of x - mean, of rstd and of their product, up
  // to a unit each, and of the result, half a unit.
  constexpr long double kRoundings = 3.5L;
  const auto check = [&](const auto& g) {
    for (const float first : {0.25F, 600.0F}) {
      Data<float> d = random_data<float>(g, 0.7, 1.0, 11);
      d.x[0] = first;
      const NormErrors e = errors_of(g, d, run(g, d, kEps), kEps);
      SCOPED_TRACE(testing::Message() << typeid(g).name() << ", first element " << first);
      EXPECT_LE(e.y, kRoundings) << e;
      EXPECT_LE(e.gx, kRoundings) << e;
    }
  };
  check(RowGeometry{1, 1, kLong, 1});   // LayerNorm
  check(RowGeometry{1, 1, 1, kLong});   // InstanceNorm
  check(ChannelGeometry{1, 1, kLong});  // BatchNorm2d
}

// Without centering (RMSNorm).
TEST_P(NormArithmeticKernelTest, RootMeanSquare) {
  for_geometries([&](const auto& g) {
    const Data<float> d = random_data<float>(g, 0.3, 1.0, 9);
    const NormErrors e = errors_of(g, d, run(g, d, kEps, false), kEps, false);
    EXPECT_LE(e.y, kElement) << e;
    EXPECT_LE(e.gx, 2 * kElement) << e;
    EXPECT_LE(e.ggamma, kParameter) << e;
  });
}

}  // namespace NORMGRAD_TEST_FILE
}  // namespace normgrad
