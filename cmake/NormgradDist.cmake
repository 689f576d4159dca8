# normgrad::dist, training on several processes over MPI. Without MPI there is no such target and no header of it.
set(MPI_CXX_SKIP_MPICXX ON)
find_package(MPI QUIET COMPONENTS CXX)
if(NOT MPI_CXX_FOUND)
  return()
endif()

foreach(part dist dist.hpp)
  file(CREATE_LINK ${CMAKE_CURRENT_SOURCE_DIR}/${part} ${NORMGRAD_INCLUDE_DIR}/normgrad/${part} SYMBOLIC)
endforeach()
file(GLOB_RECURSE NORMGRAD_DIST_SOURCES CONFIGURE_DEPENDS dist/*.cpp)

# Of the kind that normgrad::normgrad is, shared or static.
if(BUILD_SHARED_LIBS)
  add_library(normgrad_dist SHARED ${NORMGRAD_DIST_SOURCES})
  target_link_libraries(normgrad_dist PUBLIC normgrad_shared)
else()
  add_library(normgrad_dist STATIC ${NORMGRAD_DIST_SOURCES})
  target_link_libraries(normgrad_dist PUBLIC normgrad_static)
endif()
add_library(normgrad::dist ALIAS normgrad_dist)
normgrad_set_options(normgrad_dist)
normgrad_set_unity(normgrad_dist 8)
target_link_libraries(normgrad_dist PRIVATE MPI::MPI_CXX)
set_target_properties(normgrad_dist PROPERTIES EXPORT_NAME dist VERSION ${PROJECT_VERSION}
                      SOVERSION ${PROJECT_VERSION_MAJOR}.${PROJECT_VERSION_MINOR})
