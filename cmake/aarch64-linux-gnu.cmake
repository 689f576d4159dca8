# Cross-compiles for arm64 with Debian's packages: g++-aarch64-linux-gnu, the libraries that scripts/arm64_root.sh puts
# into build-arm64-root, and qemu-user (or qemu-user-static), which runs the programs.
set(CMAKE_SYSTEM_NAME Linux)
set(CMAKE_SYSTEM_PROCESSOR aarch64)
set(CMAKE_CXX_COMPILER aarch64-linux-gnu-g++)

get_filename_component(CMAKE_SYSROOT ${CMAKE_CURRENT_LIST_DIR}/../build-arm64-root ABSOLUTE)
if(NOT EXISTS ${CMAKE_SYSROOT})
  message(FATAL_ERROR "arm64: ${CMAKE_SYSROOT} is missing; scripts/arm64_root.sh makes it")
endif()
set(CMAKE_FIND_ROOT_PATH_MODE_PROGRAM NEVER)
set(CMAKE_FIND_ROOT_PATH_MODE_LIBRARY ONLY)
set(CMAKE_FIND_ROOT_PATH_MODE_INCLUDE ONLY)
set(CMAKE_FIND_ROOT_PATH_MODE_PACKAGE ONLY)

find_program(NORMGRAD_QEMU NAMES qemu-aarch64 qemu-aarch64-static)
if(NORMGRAD_QEMU)
  set(CMAKE_CROSSCOMPILING_EMULATOR ${NORMGRAD_QEMU} -L ${CMAKE_SYSROOT})
endif()
