// The instruction sets that this machine has.
#pragma once

#include <gtest/gtest.h>

#include <optional>
#include <string>
#include <vector>

#include "normgrad/core/base/simd.hpp"

namespace normgrad::test {

inline std::vector<SimdLevel> supported_levels() {
  std::vector<SimdLevel> levels;
  for (const SimdLevel level : {SimdLevel::generic, SimdLevel::sse2, SimdLevel::avx2, SimdLevel::avx512}) {
    if (simd_supported(level)) {
      levels.push_back(level);
    }
  }
  return levels;
}

/// Uses an instruction set while it lives.
class UsedSimdLevel {
 public:
  explicit UsedSimdLevel(SimdLevel level) : before_(simd_level()) { set_simd_level(level); }
  UsedSimdLevel(const UsedSimdLevel&) = delete;
  UsedSimdLevel& operator=(const UsedSimdLevel&) = delete;
  ~UsedSimdLevel() { set_simd_level(before_); }

 private:
  SimdLevel before_;
};

/// Tests that run once for each instruction set; those that the machine lacks are skipped.
class SimdLevelTest : public testing::TestWithParam<SimdLevel> {
 protected:
  void SetUp() override {
    if (!simd_supported(GetParam())) {
      GTEST_SKIP() << "this processor has no " << simd_name(GetParam());
    }
    used_.emplace(GetParam());
  }

 private:
  std::optional<UsedSimdLevel> used_;
};
/// For INSTANTIATE_TEST_SUITE_P.
inline auto simd_levels() { return testing::Values(SimdLevel::sse2, SimdLevel::avx2, SimdLevel::avx512); }
inline std::string name_of_level(const testing::TestParamInfo<SimdLevel>& test) { return simd_name(test.param); }

}  // namespace normgrad::test
