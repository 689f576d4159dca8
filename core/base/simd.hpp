// Which instruction set the kernels use.
#pragma once

namespace normgrad {

/// generic: processors other than x86-64, with what xsimd finds there when the library is built.
enum class SimdLevel { generic, sse2, avx2, avx512 };

/// The instruction set in use: the best that this processor has, or the one that the environment variable
/// NORMGRAD_SIMD (sse2, avx2, avx512) or set_simd_level() names.
SimdLevel simd_level();
/// Throws ValueError where this processor does not have it. Meant for tests and comparisons.
void set_simd_level(SimdLevel level);
bool simd_supported(SimdLevel level) noexcept;
const char* simd_name(SimdLevel level) noexcept;

namespace kernels {

/// Picks the function of the instruction set in use; see NORMGRAD_SIMD_SELECT.
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

}  // namespace kernels

/// `NORMGRAD_SIMD_SELECT(f)(args...)` inside namespace normgrad::kernels calls sse2::f, avx2::f or avx512::f.
/// `NORMGRAD_SIMD_DECLARE(decl;)` declares the same function in each of those namespaces.
#if defined(NORMGRAD_SIMD_ONLY)  // a build with one instruction set (see CMakeLists.txt)
#define NORMGRAD_SIMD_SELECT(f) (&::normgrad::kernels::NORMGRAD_SIMD_ONLY::f)
#define NORMGRAD_SIMD_DECLARE(...) \
  namespace NORMGRAD_SIMD_ONLY {   \
  __VA_ARGS__                      \
  }
#elif defined(__x86_64__) || defined(_M_X64)
#define NORMGRAD_SIMD_SELECT(f)                                                                  \
  ::normgrad::kernels::select_simd(&::normgrad::kernels::sse2::f, &::normgrad::kernels::avx2::f, \
                                   &::normgrad::kernels::avx512::f)
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
#else
#define NORMGRAD_SIMD_SELECT(f) (&::normgrad::kernels::generic::f)
#define NORMGRAD_SIMD_DECLARE(...) \
  namespace generic {              \
  __VA_ARGS__                      \
  }
#endif

}  // namespace normgrad
