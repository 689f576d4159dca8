#!/bin/bash
# usage: build.sh FOLDER TARGET [-DOPTION=VALUE...]
# Configures FOLDER (kept if it exists; Release unless an option specifies otherwise) and builds TARGET there.
set -euo pipefail
cd "$(dirname "$0")/.."

folder=$1
target=$2
shift 2
options=("$@")
if [[ ! -f $folder/CMakeCache.txt ]]; then
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
