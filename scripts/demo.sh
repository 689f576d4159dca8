#!/bin/bash
# usage: demo.sh [options of compare_norms]
# Sets up, builds in Release, and runs the comparison of the norms; `scripts/demo.sh --help` lists its options.
set -euo pipefail
cd "$(dirname "$0")/.."

scripts/setup.sh run
scripts/build.sh build compare_norms
exec build/examples/compare_norms "$@"
