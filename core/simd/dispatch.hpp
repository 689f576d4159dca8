// Selection of the instruction set used by the kernels.
#pragma once

namespace normgrad {

/// sse2, avx2, avx512: x86-64. neon: arm64. generic: other processors, with the instruction set xsimd detects when the
/// library is built.
enum class SimdLevel { generic, sse2, avx2, avx512, neon };

/// Returns the instruction set in use: the best one of this processor, or the one named by the environment variable
/// NORMGRAD_SIMD (sse2, avx2 or avx512; neon) or by set_simd_level().
SimdLevel simd_level();
/// Selects an instruction set, for tests and comparisons. Throws ValueError unless simd_supported().
void set_simd_level(SimdLevel level);
/// Whether this processor has the instruction set and the library was built for it.
bool simd_supported(SimdLevel level) noexcept;
const char* simd_name(SimdLevel level) noexcept;

namespace kernels {

/// Returns the function for the instruction set in use; see NORMGRAD_SIMD_SELECT.
template <class F>
F select_simd(F sse2, F avx2, F avx512) {
  switch (simd_level()) {
    case SimdLevel::avx512:
      return avx512;
    case SimdLevel::avx2:
      return avx2;
    default:
      return sse2;
  }
}
/// The same in a library without AVX-512.
template <class F>
F select_simd(F sse2, F avx2) {
  return simd_level() == SimdLevel::avx2 ? avx2 : sse2;
}

}  // namespace kernels

/// `NORMGRAD_SIMD_SELECT(f)(args...)` inside namespace normgrad::kernels calls sse2::f, avx2::f or avx512::f, or the
/// only one of another architecture.
/// `NORMGRAD_SIMD_DECLARE(decl;)` declares the same function in each of those namespaces.
#if defined(NORMGRAD_SIMD_ONLY)  // a build for one instruction set (see CMakeLists.txt)
#define NORMGRAD_SIMD_SINGLE NORMGRAD_SIMD_ONLY
#elif defined(__aarch64__)
#define NORMGRAD_SIMD_SINGLE neon
#elif !defined(__x86_64__) && !defined(_M_X64)
#define NORMGRAD_SIMD_SINGLE generic
#endif
#if defined(NORMGRAD_SIMD_SINGLE)
#define NORMGRAD_SIMD_SELECT(...) (&::normgrad::kernels::NORMGRAD_SIMD_SINGLE::__VA_ARGS__)
#define NORMGRAD_SIMD_DECLARE(...) \
  namespace NORMGRAD_SIMD_SINGLE { \
  __VA_ARGS__                      \
  }
#elif defined(NORMGRAD_SIMD_WITHOUT_AVX512)
#define NORMGRAD_SIMD_SELECT(...) \
  ::normgrad::kernels::select_simd(&::normgrad::kernels::sse2::__VA_ARGS__, &::normgrad::kernels::avx2::__VA_ARGS__)
#define NORMGRAD_SIMD_DECLARE(...) \
  namespace sse2 {                 \
  __VA_ARGS__                      \
  }                                \
  namespace avx2 {                 \
  __VA_ARGS__                      \
  }
#else
#define NORMGRAD_SIMD_SELECT(...)                                                                                    \
  ::normgrad::kernels::select_simd(&::normgrad::kernels::sse2::__VA_ARGS__, &::normgrad::kernels::avx2::__VA_ARGS__, \
                                   &::normgrad::kernels::avx512::__VA_ARGS__)
#define NORMGRAD_SIMD_DECLARE(...) \
  namespace sse2 {                 \
  __VA_ARGS__                      \
  }                                \
  namespace avx2 {                 \
  __VA_ARGS__                      \
  }                                \
  namespace avx512 {               \
  __VA_ARGS__                      \
  }
#endif

}  // namespace normgrad
