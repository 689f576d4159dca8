#!/bin/bash
# usage: build.sh FOLDER TARGET [-DOPTION=VALUE...]
# Configures FOLDER (kept if it exists; Release unless an option specifies otherwise) and builds TARGET there. A new
# folder gets no kernels for AVX-512 on a processor without it, unless -DNORMGRAD_SIMD_UP_TO=avx512 asks for them.
set -euo pipefail
cd "$(dirname "$0")/.."

folder=$1
target=$2
shift 2
options=("$@")
if [[ ! -f $folder/CMakeCache.txt ]]; then
  if [[ $(uname -m) == x86_64 ]] && ! grep -qw avx512vl /proc/cpuinfo; then
    options=(-DNORMGRAD_SIMD_UP_TO=avx2 "${options[@]}")
  fi
  if command -v ninja >/dev/null; then
    options+=(-G Ninja)
  fi
  if command -v ccache >/dev/null; then
    options+=(-DCMAKE_CXX_COMPILER_LAUNCHER=ccache)
  fi
fi
export CCACHE_SLOPPINESS=pch_defines,time_macros  # otherwise ccache does not cache files with a precompiled header
cmake -S . -B "$folder" "${options[@]}"
cmake --build "$folder" --target "$target" --parallel "$(nproc)"
