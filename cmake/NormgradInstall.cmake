# cmake --install: headers, both libraries and normgrad::dist, the package for find_package(normgrad), normgrad.pc and
# normgrad-dist.pc.
include(CMakePackageConfigHelpers)

set(config_dir ${CMAKE_INSTALL_LIBDIR}/cmake/normgrad)

install(FILES normgrad.hpp DESTINATION ${CMAKE_INSTALL_INCLUDEDIR}/normgrad)
list(JOIN NORMGRAD_INTERNAL_FOLDERS "|" internal)
foreach(part core layers optim data io train)
  install(DIRECTORY ${part} DESTINATION ${CMAKE_INSTALL_INCLUDEDIR}/normgrad
          FILES_MATCHING PATTERN "*.hpp" REGEX "/(${internal})$" EXCLUDE)
endforeach()

# Two export sets: the shared library has no dependencies for consumers, the static one requires the underlying
# libraries.
foreach(kind shared static)
  install(TARGETS normgrad_${kind} EXPORT normgrad_${kind}_targets
          RUNTIME DESTINATION ${CMAKE_INSTALL_BINDIR}
          LIBRARY DESTINATION ${CMAKE_INSTALL_LIBDIR}
          ARCHIVE DESTINATION ${CMAKE_INSTALL_LIBDIR})
  install(EXPORT normgrad_${kind}_targets FILE normgrad-${kind}-targets.cmake NAMESPACE normgrad::
          DESTINATION ${config_dir})
endforeach()

if(TARGET normgrad_dist)
  install(FILES dist.hpp DESTINATION ${CMAKE_INSTALL_INCLUDEDIR}/normgrad)
  install(DIRECTORY dist DESTINATION ${CMAKE_INSTALL_INCLUDEDIR}/normgrad
          FILES_MATCHING PATTERN "*.hpp" REGEX "/(${internal})$" EXCLUDE)
  install(TARGETS normgrad_dist EXPORT normgrad_dist_targets
          RUNTIME DESTINATION ${CMAKE_INSTALL_BINDIR}
          LIBRARY DESTINATION ${CMAKE_INSTALL_LIBDIR}
          ARCHIVE DESTINATION ${CMAKE_INSTALL_LIBDIR})
  install(EXPORT normgrad_dist_targets FILE normgrad-dist-targets.cmake NAMESPACE normgrad:: DESTINATION ${config_dir})
endif()

configure_package_config_file(cmake/normgradConfig.cmake.in normgradConfig.cmake INSTALL_DESTINATION ${config_dir})
write_basic_package_version_file(normgradConfigVersion.cmake COMPATIBILITY SameMinorVersion)
install(FILES ${CMAKE_CURRENT_BINARY_DIR}/normgradConfig.cmake ${CMAKE_CURRENT_BINARY_DIR}/normgradConfigVersion.cmake
              cmake/FindLapackBlas.cmake cmake/FindLibZip.cmake cmake/FindOneDNN.cmake
        DESTINATION ${config_dir})

# Relative to the .pc file, so that an installed tree is relocatable.
file(RELATIVE_PATH NORMGRAD_PC_PREFIX /prefix/${CMAKE_INSTALL_LIBDIR}/pkgconfig /prefix)
configure_file(cmake/normgrad.pc.in normgrad.pc @ONLY)
install(FILES ${CMAKE_CURRENT_BINARY_DIR}/normgrad.pc DESTINATION ${CMAKE_INSTALL_LIBDIR}/pkgconfig)
if(TARGET normgrad_dist)
  configure_file(cmake/normgrad-dist.pc.in normgrad-dist.pc @ONLY)
  install(FILES ${CMAKE_CURRENT_BINARY_DIR}/normgrad-dist.pc DESTINATION ${CMAKE_INSTALL_LIBDIR}/pkgconfig)
endif()
