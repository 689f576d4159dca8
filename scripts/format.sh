#!/bin/bash
# usage: format.sh [--check]
# Formats all C++ files according to .clang-format; with --check, only lists the files that are not formatted.
set -euo pipefail
cd "$(dirname "$0")/.."

if ! command -v clang-format >/dev/null; then
  echo "clang-format is not installed: formatting is left as it is"
  exit 0
fi
mode=(-i)
if [[ ${1:-} == --check ]]; then
  mode=(--dry-run --Werror)
fi
places=()
for place in normgrad.hpp dist.hpp core layers optim data io train dist lab examples bench tests; do
  if [[ -e $place ]]; then places+=("$place"); fi
done
find "${places[@]}" \( -name '*.hpp' -o -name '*.cpp' \) -print0 | xargs -0 clang-format "${mode[@]}"
