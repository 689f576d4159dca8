# LAPACK, and the BLAS below it, as target lapack::lapack. The names are those of every implementation that Debian's
# alternatives offer; CMake's own module would prefer other libraries by their own names.
find_library(LAPACK_LIBRARY lapack)
find_library(BLAS_LIBRARY blas)
mark_as_advanced(LAPACK_LIBRARY BLAS_LIBRARY)

include(FindPackageHandleStandardArgs)
find_package_handle_standard_args(LapackBlas REQUIRED_VARS LAPACK_LIBRARY BLAS_LIBRARY)
if(LapackBlas_FOUND AND NOT TARGET lapack::lapack)
  add_library(lapack::lapack UNKNOWN IMPORTED)
  set_target_properties(lapack::lapack PROPERTIES IMPORTED_LOCATION ${LAPACK_LIBRARY}
                        INTERFACE_LINK_LIBRARIES ${BLAS_LIBRARY})
endif()
