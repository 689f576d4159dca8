#include "normgrad/core/simd/dispatch.hpp"

#include <gtest/gtest.h>

#include <cstdlib>
#include <string>
#include <vector>

#include "tests/support/raises.hpp"
#include "normgrad/core/base/error.hpp"
#include "normgrad/core/kernels/elementwise/accumulate.hpp"

namespace normgrad {
namespace NORMGRAD_TEST_FILE {

#if defined(__x86_64__) && !defined(NORMGRAD_SIMD_ONLY)

const std::vector<SimdLevel> kLevels = {SimdLevel::sse2, SimdLevel::avx2, SimdLevel::avx512};

TEST(SimdTest, EveryX86HasSse2AndTheLevelInUseIsSupported) {
  EXPECT_TRUE(simd_supported(SimdLevel::sse2));
  EXPECT_TRUE(simd_supported(simd_level()));
  EXPECT_FALSE(simd_supported(SimdLevel::avx512) && !simd_supported(SimdLevel::avx2));
}

TEST(SimdTest, CanBeForced) {
  const SimdLevel before = simd_level();
  for (const SimdLevel level : kLevels) {
    if (simd_supported(level)) {
      set_simd_level(level);
      EXPECT_EQ(simd_level(), level);
    } else {
      EXPECT_THROW(set_simd_level(level), ValueError);
    }
  }
  EXPECT_THROW(set_simd_level(SimdLevel::generic), ValueError);
  set_simd_level(before);
}

TEST(SimdTest, TheSelectedKernelsGiveTheSameSums) {
  const SimdLevel before = simd_level();
  for (const SimdLevel level : kLevels) {
    if (!simd_supported(level)) {
      continue;
    }
    set_simd_level(level);
    for (std::int64_t n = 0; n < 70; ++n) {
      std::vector<float> x(static_cast<std::size_t>(n) + 1, 0.5F);
      std::vector<float> y(static_cast<std::size_t>(n) + 1, 1.0F);
      kernels::accumulate(x.data(), y.data(), n);
      for (std::size_t i = 0; i < static_cast<std::size_t>(n); ++i) {
        ASSERT_EQ(y[i], 1.5F) << simd_name(level) << " " << n << " " << i;
      }
      EXPECT_EQ(y.back(), 1.0F) << "wrote past the end";
    }
  }
  set_simd_level(before);
}

// The variable is read once per process, so another process is started.
std::string answer_with(const char* value) {
  const std::string self = std::string(NORMGRAD_BINARY_DIR) + "/tests/base_tests";
  const std::string command = std::string("NORMGRAD_SIMD=") + value + " " + self + " --gtest_filter=SimdProbe.* 2>&1";
  std::string text;
  FILE* pipe = popen(command.c_str(), "r");
  char line[256];
  while (pipe != nullptr && std::fgets(line, sizeof line, pipe) != nullptr) {
    text += line;
  }
  if (pipe != nullptr) {
    pclose(pipe);
  }
  return text;
}

TEST(SimdProbe, PrintsTheLevelInUse) {
  try {
    std::printf("level=%s\n", simd_name(simd_level()));
  } catch (const ValueError& error) {
    std::printf("error=%s\n", error.what());
  }
}

TEST(SimdTest, TheEnvironmentChooses) {
  EXPECT_NE(answer_with("sse2").find("level=sse2"), std::string::npos);
  if (simd_supported(SimdLevel::avx2)) {
    EXPECT_NE(answer_with("avx2").find("level=avx2"), std::string::npos);
  }
  EXPECT_NE(answer_with("").find("level="), std::string::npos);
  EXPECT_NE(answer_with("mmx").find("error=NORMGRAD_SIMD: expected sse2, avx2 or avx512 but got 'mmx'"),
            std::string::npos);
}

#endif

TEST(SimdTest, Names) {
  EXPECT_STREQ(simd_name(SimdLevel::sse2), "sse2");
  EXPECT_STREQ(simd_name(SimdLevel::avx2), "avx2");
  EXPECT_STREQ(simd_name(SimdLevel::avx512), "avx512");
  EXPECT_STREQ(simd_name(SimdLevel::generic), "generic");
}

}  // namespace NORMGRAD_TEST_FILE
}  // namespace normgrad
