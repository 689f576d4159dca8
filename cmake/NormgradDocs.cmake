# The documentation site: target `docs`, not part of `all`. A test also runs it and checks its warnings.
find_program(NORMGRAD_DOXYGEN doxygen)
if(NORMGRAD_DOXYGEN)
  set(NORMGRAD_DOXYGEN_EXCLUDE "")
  foreach(folder ${NORMGRAD_INTERNAL_FOLDERS})
    string(APPEND NORMGRAD_DOXYGEN_EXCLUDE "*/${folder}/* ")
  endforeach()
  set(NORMGRAD_DOXYGEN_FOLDERS "")
  foreach(folder core layers optim data io train dist)
    if(EXISTS ${PROJECT_SOURCE_DIR}/${folder})
      string(APPEND NORMGRAD_DOXYGEN_FOLDERS "${PROJECT_SOURCE_DIR}/${folder} ")
    endif()
  endforeach()
  file(MAKE_DIRECTORY ${PROJECT_BINARY_DIR}/site)
  configure_file(${PROJECT_SOURCE_DIR}/docs/doxygen/Doxyfile.in ${PROJECT_BINARY_DIR}/Doxyfile @ONLY)
  add_custom_target(docs COMMAND ${NORMGRAD_DOXYGEN} ${PROJECT_BINARY_DIR}/Doxyfile
                    WORKING_DIRECTORY ${PROJECT_SOURCE_DIR} VERBATIM
                    COMMENT "Writing ${PROJECT_BINARY_DIR}/site/index.html")
endif()
