#!/bin/bash
# usage: test.sh [--fast]
# Sets up, builds with warnings as errors, and runs all tests: in Release, then under the address and
# undefined-behaviour sanitizers (left out by --fast).
set -euo pipefail
cd "$(dirname "$0")/.."

fast=no
case ${1:-} in
  '') ;;
  --fast) fast=yes ;;
  *) echo "usage: scripts/test.sh [--fast]" >&2; exit 2 ;;
esac

step() { echo; echo "== $*"; }

step "set-up"
scripts/setup.sh test

step "formatting"
scripts/format.sh --check

step "Release"
scripts/build.sh build all -DNORMGRAD_WERROR=ON
ctest --test-dir build --output-on-failure -j "$(nproc)"

if [[ $fast == no ]]; then
  step "address and undefined-behaviour sanitizers"
  scripts/build.sh build-asan all -DCMAKE_BUILD_TYPE=Debug -DNORMGRAD_WERROR=ON -DNORMGRAD_SANITIZE=address,undefined
  ctest --test-dir build-asan --output-on-failure -j "$(nproc)" -LE 'slow|packaging'
fi
