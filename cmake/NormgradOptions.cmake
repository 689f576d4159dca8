# Sanitized builds optimize the library. Tests and programs set -O0, and are not searched for undefined behavior nor for
# uses of locals after their scopes of their own, to compile faster.
set(NORMGRAD_SANITIZED_OPTIMISATION -O1)

# Compiler options of all targets in the project.
function(normgrad_set_options target)
  target_compile_features(${target} PUBLIC cxx_std_20)
  set_target_properties(${target} PROPERTIES CXX_EXTENSIONS OFF POSITION_INDEPENDENT_CODE ON)
  target_compile_options(${target} PRIVATE -Wall -Wextra -Wpedantic -Wshadow -Wconversion)
  # Multiplications and additions are fused only where a kernel requests it, so that every compiler and loop shape gives
  # the same bits.
  target_compile_options(${target} PRIVATE -ffp-contract=off)
  if(NORMGRAD_WERROR)
    target_compile_options(${target} PRIVATE -Werror)
  endif()
  if(NORMGRAD_SANITIZE)
    set(sanitizers ${NORMGRAD_SANITIZE})
    if(NORMGRAD_SANITIZED_OPTIMISATION STREQUAL "-O0")
      string(REPLACE ",undefined" "" sanitizers ${sanitizers})
    endif()
    target_compile_options(${target} PRIVATE -fsanitize=${sanitizers} -fno-sanitize-recover=all
                           -fno-omit-frame-pointer ${NORMGRAD_SANITIZED_OPTIMISATION} -g1
                           # gcc's analysis is misled by the added checks.
                           $<$<CXX_COMPILER_ID:GNU>:-Wno-maybe-uninitialized>)
    if(NORMGRAD_SANITIZE MATCHES "address" AND NORMGRAD_SANITIZED_OPTIMISATION STREQUAL "-O0")
      target_compile_options(${target} PRIVATE -fno-sanitize-address-use-after-scope)
    endif()
    target_compile_definitions(${target} PRIVATE _GLIBCXX_ASSERTIONS XTENSOR_ENABLE_ASSERT)
    target_link_options(${target} PRIVATE -fsanitize=${NORMGRAD_SANITIZE})
  endif()
endfunction()

# Compiles the sources of a target in groups of `size` files of one floor (core/kernels, layers, ...), so that headers
# are read once per group (NORMGRAD_UNITY). Names in unnamed namespaces must therefore be unique within a floor.
function(normgrad_set_unity target size)
  if(NOT NORMGRAD_UNITY)
    return()
  endif()
  get_target_property(sources ${target} SOURCES)
  list(FILTER sources INCLUDE REGEX "\\.cpp$")
  list(TRANSFORM sources REPLACE "^([^/])" "${CMAKE_CURRENT_SOURCE_DIR}/\\1")
  list(SORT sources)
  set(last_folder "")
  foreach(source ${sources})
    file(RELATIVE_PATH folder ${PROJECT_SOURCE_DIR} ${source})
    string(REGEX MATCH "^(core/|build[^/]*/)?[^/]+" folder "${folder}")
    if(NOT folder STREQUAL last_folder OR files EQUAL size)
      if(NOT folder STREQUAL last_folder)
        set(group 0)
      endif()
      set(last_folder ${folder})
      set(files 0)
      math(EXPR group "${group} + 1")
      string(MAKE_C_IDENTIFIER "${folder}_${group}" name)
    endif()
    math(EXPR files "${files} + 1")
    set_source_files_properties(${source} PROPERTIES UNITY_GROUP ${name})
  endforeach()
  set_target_properties(${target} PROPERTIES UNITY_BUILD ON UNITY_BUILD_MODE GROUP)
  if(CMAKE_CXX_COMPILER_ID STREQUAL "GNU")
    # The compiler treats the sources included by a group as headers, whose types should not have members from unnamed
    # namespaces.
    target_compile_options(${target} PRIVATE -Wno-subobject-linkage)
  endif()
endfunction()
