# Compiles SOURCE with the flags that pkg-config gives for the installed copy, and runs it. KIND: shared or static.
# PACKAGE: normgrad unless given.
if(NOT DEFINED PACKAGE)
  set(PACKAGE normgrad)
endif()
set(ENV{PKG_CONFIG_PATH} ${LIBDIR}/pkgconfig)
if(KIND STREQUAL static)
  set(static --static)
endif()
execute_process(COMMAND ${PKG_CONFIG} ${static} --cflags --libs ${PACKAGE} OUTPUT_VARIABLE flags
                COMMAND_ERROR_IS_FATAL ANY)
if(KIND STREQUAL static)
  # Both libraries are installed there, and the linker would choose the shared one.
  string(REPLACE "-lnormgrad" "-l:libnormgrad.a" flags "${flags}")
endif()
separate_arguments(flags UNIX_COMMAND "${flags}")
execute_process(COMMAND ${CXX} "-DCONSUMER_USE=\"pkg_config_${KIND}\"" ${SOURCE} ${flags} -Wl,-rpath,${LIBDIR} -o ${PROGRAM} COMMAND_ERROR_IS_FATAL ANY)
execute_process(COMMAND ${PROGRAM} COMMAND_ERROR_IS_FATAL ANY)
