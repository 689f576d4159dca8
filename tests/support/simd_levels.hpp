// The instruction sets of this machine.
#pragma once

#include <gtest/gtest.h>

#include <optional>
#include <string>
#include <vector>

#include "normgrad/core/simd/dispatch.hpp"

namespace normgrad::tests {

inline std::vector<SimdLevel> supported_levels() {
  std::vector<SimdLevel> levels;
  for (const SimdLevel level :
       {SimdLevel::generic, SimdLevel::sse2, SimdLevel::avx2, SimdLevel::avx512, SimdLevel::neon}) {
    if (simd_supported(level)) {
      levels.push_back(level);
    }
  }
  return levels;
}

/// Selects an instruction set for its lifetime.
class UsedSimdLevel {
 public:
  explicit UsedSimdLevel(SimdLevel level) : before_(simd_level()) { set_simd_level(level); }
  UsedSimdLevel(const UsedSimdLevel&) = delete;
  UsedSimdLevel& operator=(const UsedSimdLevel&) = delete;
  ~UsedSimdLevel() { set_simd_level(before_); }

 private:
  SimdLevel before_;
};

/// Base of tests that run once per instruction set; those the machine lacks are skipped.
class SimdLevelTest : public testing::TestWithParam<SimdLevel> {
 protected:
  void SetUp() override {
    if (!simd_supported(GetParam())) {
      GTEST_SKIP() << "this processor or build has no " << simd_name(GetParam());
    }
    used_.emplace(GetParam());
  }

 private:
  std::optional<UsedSimdLevel> used_;
};
/// Values for INSTANTIATE_TEST_SUITE_P.
inline auto simd_levels() {
  return testing::Values(SimdLevel::sse2, SimdLevel::avx2, SimdLevel::avx512, SimdLevel::neon);
}
inline std::string name_of_level(const testing::TestParamInfo<SimdLevel>& test) { return simd_name(test.param); }

}  // namespace normgrad::tests
