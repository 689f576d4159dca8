#include "normgrad/core/simd/dispatch.hpp"

#include <atomic>
#include <cstdlib>
#include <string_view>

#include "normgrad/core/base/error.hpp"

namespace normgrad {

namespace {

// The instruction sets of this architecture, the best one first.
#if defined(__x86_64__) || defined(_M_X64)
constexpr SimdLevel kLevels[] = {SimdLevel::avx512, SimdLevel::avx2, SimdLevel::sse2};
constexpr const char* kNames = "sse2, avx2 or avx512";
#elif defined(__aarch64__)
constexpr SimdLevel kLevels[] = {SimdLevel::neon};
constexpr const char* kNames = "neon";
#else
constexpr SimdLevel kLevels[] = {SimdLevel::generic};
constexpr const char* kNames = "generic";
#endif

SimdLevel best_level() noexcept {
  for (const SimdLevel level : kLevels) {
    if (simd_supported(level)) {
      return level;
    }
  }
  return SimdLevel::generic;
}

SimdLevel initial_level() {
  const char* wanted = std::getenv("NORMGRAD_SIMD");
  if (wanted == nullptr || *wanted == '\0') {
    return best_level();
  }
  for (const SimdLevel level : kLevels) {
    if (std::string_view(wanted) == simd_name(level)) {
      require<ValueError>(simd_supported(level), "NORMGRAD_SIMD: this processor or this build does not support ",
                          wanted);
      return level;
    }
  }
  fail<ValueError>("NORMGRAD_SIMD: expected ", kNames, " but got '", wanted, "'");
}

constexpr int kUnset = -1;
std::atomic<int> current{kUnset};

}  // namespace

SimdLevel simd_level() {
  int level = current.load(std::memory_order_relaxed);
  if (level == kUnset) {  // several threads may determine it: they find the same
    level = static_cast<int>(initial_level());
    current = level;
  }
  return static_cast<SimdLevel>(level);
}

void set_simd_level(SimdLevel level) {
  require<ValueError>(simd_supported(level), "set_simd_level: this processor or this build does not support ",
                      simd_name(level));
  current = static_cast<int>(level);
}

bool simd_supported(SimdLevel level) noexcept {
#if defined(NORMGRAD_SIMD_ONLY)
#define NORMGRAD_TEXT_OF(name) #name
#define NORMGRAD_TEXT(name) NORMGRAD_TEXT_OF(name)
  if (std::string_view(simd_name(level)) != NORMGRAD_TEXT(NORMGRAD_SIMD_ONLY)) {
    return false;
  }
#endif
#if defined(__x86_64__) || defined(_M_X64)
  switch (level) {
    case SimdLevel::avx512:
#if defined(NORMGRAD_SIMD_WITHOUT_AVX512)
      return false;
#else
      return __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512cd") &&
             __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512bw") &&
             __builtin_cpu_supports("avx512vl") && __builtin_cpu_supports("fma");
#endif
    case SimdLevel::avx2:
      return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma");
    case SimdLevel::sse2:
      return true;
    case SimdLevel::generic:
    case SimdLevel::neon:
      break;
  }
  return false;
#else
  return level == kLevels[0];
#endif
}

const char* simd_name(SimdLevel level) noexcept {
  switch (level) {
    case SimdLevel::sse2:
      return "sse2";
    case SimdLevel::avx2:
      return "avx2";
    case SimdLevel::avx512:
      return "avx512";
    case SimdLevel::neon:
      return "neon";
    case SimdLevel::generic:
      break;
  }
  return "generic";
}

}  // namespace normgrad
