# Compiler options that every target of the project shares.
function(normgrad_set_options target)
  target_compile_features(${target} PUBLIC cxx_std_20)
  set_target_properties(${target} PROPERTIES CXX_EXTENSIONS OFF POSITION_INDEPENDENT_CODE ON)
  target_compile_options(${target} PRIVATE -Wall -Wextra -Wpedantic -Wshadow -Wconversion)
  # Products and sums are fused only where a kernel says so: the same bits from every compiler and every loop shape.
  target_compile_options(${target} PRIVATE -ffp-contract=off)
  if(NORMGRAD_WERROR)
    target_compile_options(${target} PRIVATE -Werror)
  endif()
  if(NORMGRAD_SANITIZE)
    target_compile_options(${target} PRIVATE -fsanitize=${NORMGRAD_SANITIZE} -fno-sanitize-recover=all
                           -fno-omit-frame-pointer -O1 -g1
                           # gcc's analysis is misled by the added checks.
                           $<$<CXX_COMPILER_ID:GNU>:-Wno-maybe-uninitialized>)
    target_compile_definitions(${target} PRIVATE _GLIBCXX_ASSERTIONS XTENSOR_ENABLE_ASSERT)
    target_link_options(${target} PRIVATE -fsanitize=${NORMGRAD_SANITIZE})
  endif()
endfunction()
