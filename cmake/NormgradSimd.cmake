# Every `*.simd.cpp` is compiled once per instruction set; the program selects one at startup (core/simd/dispatch.hpp).
# Such a file defines its functions in namespace normgrad::kernels::NORMGRAD_SIMD_NAMESPACE and uses no inline function
# of the standard library that other files may use: the linker keeps a single copy of those, for any instruction set.
set(NORMGRAD_AVX512_FLAGS -mavx512f -mavx512cd -mavx512dq -mavx512bw -mavx512vl -mavx2 -mfma -mprefer-vector-width=512)

function(normgrad_add_simd_objects out)
  set(objects)
  if(CMAKE_SYSTEM_PROCESSOR MATCHES "x86_64|AMD64|amd64")
    set(archs sse2 avx2 avx512)
    set(flags_sse2 -msse2)
    set(flags_avx2 -mavx2 -mfma)
    set(flags_avx512 ${NORMGRAD_AVX512_FLAGS})
  elseif(CMAKE_SYSTEM_PROCESSOR MATCHES "aarch64|arm64|ARM64")
    set(archs neon)  # every arm64 processor has it
  else()
    set(archs generic)
  endif()
  if(NORMGRAD_SIMD_ONLY)
    if(NOT NORMGRAD_SIMD_ONLY IN_LIST archs)
      message(FATAL_ERROR "NORMGRAD_SIMD_ONLY: expected one of ${archs} but got ${NORMGRAD_SIMD_ONLY}")
    endif()
    set(archs ${NORMGRAD_SIMD_ONLY})
  elseif(NORMGRAD_SIMD_UP_TO STREQUAL "avx2")
    list(REMOVE_ITEM archs avx512)
  endif()
  if(CMAKE_CXX_COMPILER_ID STREQUAL "GNU")
    list(APPEND flags_avx512 -Wno-maybe-uninitialized -Wno-uninitialized)  # from GCC's own headers, GCC bug 105593
  endif()
  foreach(arch ${archs})
    add_library(normgrad_simd_${arch} OBJECT ${ARGN})
    normgrad_set_options(normgrad_simd_${arch})
    normgrad_set_unity(normgrad_simd_${arch} 3)
    target_include_directories(normgrad_simd_${arch} PRIVATE ${NORMGRAD_INCLUDE_DIR})
    get_target_property(xsimd_dirs xsimd INTERFACE_INCLUDE_DIRECTORIES)
    target_include_directories(normgrad_simd_${arch} SYSTEM PRIVATE ${xsimd_dirs})
    target_compile_definitions(normgrad_simd_${arch} PRIVATE NORMGRAD_SIMD_NAMESPACE=${arch} NORMGRAD_SIMD_${arch}=1)
    # Without optimization, GCC's intrinsics are macros, which xsimd 8 does not compile with.
    # Processors without AVX2 are old, and -O2 takes two thirds of the time to compile.
    target_compile_options(normgrad_simd_${arch} PRIVATE ${flags_${arch}}
                           $<$<CONFIG:Release>:$<IF:$<STREQUAL:${arch},sse2>,-O2,-O3>>
                           $<$<NOT:$<CONFIG:Release,RelWithDebInfo,MinSizeRel>>:-O1>)
    if(CMAKE_CXX_COMPILER_ID STREQUAL "GNU")
      # GCC's avx512fintrin.h creates "undefined" registers by `__m512 y = y`.
      target_compile_options(normgrad_simd_${arch} PRIVATE -Wno-uninitialized -Wno-maybe-uninitialized)
    endif()
    if(NORMGRAD_SANITIZE MATCHES "address")
      # The scopes of the temporaries of vectors multiply the time of compilation. Overflows of
      # buffers on the stack are still found.
      target_compile_options(normgrad_simd_${arch} PRIVATE -fno-sanitize-address-use-after-scope)
    endif()
    list(APPEND objects $<TARGET_OBJECTS:normgrad_simd_${arch}>)
  endforeach()
  set(${out} ${objects} PARENT_SCOPE)
endfunction()
