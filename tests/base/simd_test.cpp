#include "normgrad/core/base/simd.hpp"

#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "normgrad/core/base/error.hpp"
#include "normgrad/core/kernels/accumulate.hpp"

namespace normgrad {
namespace {

constexpr SimdLevel kLevels[] = {SimdLevel::generic, SimdLevel::sse2, SimdLevel::avx2, SimdLevel::avx512};

class SimdLevels : public testing::Test {
 protected:
  void TearDown() override { set_simd_level(before_); }

 private:
  SimdLevel before_ = simd_level();
};

TEST_F(SimdLevels, TheOneInUseIsSupported) {
  EXPECT_TRUE(simd_supported(simd_level()));
  EXPECT_NE(std::string(simd_name(simd_level())), "");
}

TEST_F(SimdLevels, AnySupportedOneCanBeChosenAndComputesTheSame) {
  int supported = 0;
  for (const SimdLevel level : kLevels) {
    if (!simd_supported(level)) {
      EXPECT_THROW(set_simd_level(level), ValueError);
      continue;
    }
    ++supported;
    set_simd_level(level);
    EXPECT_EQ(simd_level(), level);
    for (std::size_t n = 0; n < 70; ++n) {
      std::vector<float> x(n);
      std::vector<float> y(n);
      for (std::size_t i = 0; i < n; ++i) {
        x[i] = static_cast<float>(i) * 0.5F;
        y[i] = 100.0F;
      }
      kernels::accumulate(x.data(), y.data(), static_cast<std::int64_t>(n));
      for (std::size_t i = 0; i < n; ++i) {
        ASSERT_EQ(y[i], 100.0F + static_cast<float>(i) * 0.5F) << simd_name(level) << ", n = " << n;
      }
    }
  }
  EXPECT_GE(supported, 1);
}

}  // namespace
}  // namespace normgrad
