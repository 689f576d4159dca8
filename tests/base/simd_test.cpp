#include "normgrad/core/simd/dispatch.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdlib>
#include <string>
#include <vector>

#include "tests/support/raises.hpp"
#include "normgrad/core/base/error.hpp"
#include "normgrad/core/kernels/elementwise/accumulate.hpp"

namespace normgrad {
namespace NORMGRAD_TEST_FILE {

using testing::HasSubstr;

#if !defined(NORMGRAD_SIMD_ONLY)

#if defined(__x86_64__)
const std::vector<SimdLevel> kForeign = {SimdLevel::generic, SimdLevel::neon};
constexpr SimdLevel kLowest = SimdLevel::sse2;
constexpr const char* kNames = "sse2, avx2 or avx512";
#elif defined(__aarch64__)
const std::vector<SimdLevel> kForeign = {SimdLevel::generic, SimdLevel::sse2, SimdLevel::avx2, SimdLevel::avx512};
constexpr SimdLevel kLowest = SimdLevel::neon;
constexpr const char* kNames = "neon";
#else
const std::vector<SimdLevel> kForeign = {SimdLevel::sse2, SimdLevel::avx2, SimdLevel::avx512, SimdLevel::neon};
constexpr SimdLevel kLowest = SimdLevel::generic;
constexpr const char* kNames = "generic";
#endif
const std::vector<SimdLevel> kLevels = {SimdLevel::generic, SimdLevel::sse2, SimdLevel::avx2, SimdLevel::avx512,
                                        SimdLevel::neon};

TEST(SimdTest, EveryProcessorHasTheLowestLevelAndNoneOfAnotherArchitecture) {
  EXPECT_TRUE(simd_supported(kLowest));
  EXPECT_TRUE(simd_supported(simd_level()));
  EXPECT_FALSE(simd_supported(SimdLevel::avx512) && !simd_supported(SimdLevel::avx2));
  for (const SimdLevel level : kForeign) {
    EXPECT_FALSE(simd_supported(level)) << simd_name(level);
  }
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
#if defined(NORMGRAD_EMULATOR)
  const std::string self = NORMGRAD_EMULATOR " " NORMGRAD_BINARY_DIR "/tests/base_tests";
#else
  const std::string self = NORMGRAD_BINARY_DIR "/tests/base_tests";
#endif
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
  for (const SimdLevel level : kLevels) {
    if (simd_supported(level)) {
      EXPECT_THAT(answer_with(simd_name(level)), HasSubstr(detail::concat("level=", simd_name(level))));
    }
  }
  EXPECT_THAT(answer_with(""), HasSubstr("level="));
  for (const char* unknown : {"mmx", simd_name(kForeign[0]), simd_name(kForeign.back())}) {
    EXPECT_THAT(answer_with(unknown),
                HasSubstr(detail::concat("error=NORMGRAD_SIMD: expected ", kNames, " but got '", unknown, "'")));
  }
}

#endif

TEST(SimdTest, Names) {
  EXPECT_STREQ(simd_name(SimdLevel::sse2), "sse2");
  EXPECT_STREQ(simd_name(SimdLevel::avx2), "avx2");
  EXPECT_STREQ(simd_name(SimdLevel::avx512), "avx512");
  EXPECT_STREQ(simd_name(SimdLevel::neon), "neon");
  EXPECT_STREQ(simd_name(SimdLevel::generic), "generic");
}

}  // namespace NORMGRAD_TEST_FILE
}  // namespace normgrad
