// The instruction sets that this machine has.
#pragma once

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

}  // namespace normgrad::test
