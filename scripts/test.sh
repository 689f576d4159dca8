#!/bin/bash
# usage: test.sh [--fast | --every-isa]
# Sets up, builds with warnings as errors, and runs all tests: in Release, then under the address and
# undefined-behavior sanitizers with the processor's best instruction set only. --fast skips the sanitizers;
# --every-isa instead runs the Release tests with every instruction set that the processor supports, for our kernels
# (NORMGRAD_SIMD) and for oneDNN (ONEDNN_MAX_CPU_ISA), and with one and with four threads.
set -euo pipefail
cd "$(dirname "$0")/.."

mode=all
case ${1:-} in
  '') ;;
  --fast) mode=fast ;;
  --every-isa) mode=every-isa ;;
  *) echo "usage: scripts/test.sh [--fast | --every-isa]" >&2; exit 2 ;;
esac

step() { echo; echo "== $*"; }

# More test programs than processors run side by side, each with several threads: those that wait must not spin.
export OMP_WAIT_POLICY=${OMP_WAIT_POLICY:-passive}

# run_tests FOLDER [options of ctest]: lists the failed tests at the end.
run_tests() {
  local folder=$1
  shift
  if ! ctest --test-dir "$folder" --output-on-failure -j "$(($(nproc) + 2))" "$@"; then
    echo "Failed in $folder:"
    grep -hE '^\[  FAILED  \] [^0-9]' "$folder/Testing/Temporary/LastTest.log" | sed 's/ ([0-9]* ms)$//' | sort -u || true
    return 1
  fi
}

has() { grep -qw "$1" /proc/cpuinfo; }
simd=(sse2)
onednn=(SSE41)
if [[ $(uname -m) == aarch64 ]]; then simd=(neon) onednn=(); fi
if has avx; then onednn+=(AVX); fi
if has avx2; then simd+=(avx2) onednn+=(AVX2); fi
if has avx512bw && has avx512vl && has avx512dq && has avx512cd; then simd+=(avx512) onednn+=(AVX512_CORE); fi

step "set-up"
scripts/setup.sh test

step "formatting"
scripts/format.sh --check

step "Release"
scripts/build.sh build all
if [[ $mode == every-isa ]]; then
  failed=()
  for setting in "${simd[@]/#/NORMGRAD_SIMD=}" "${onednn[@]/#/ONEDNN_MAX_CPU_ISA=}" OMP_NUM_THREADS={1,4}; do
    step "$setting"
    (export "$setting" && run_tests build -LE packaging) || failed+=("$setting")
  done
  step "failed: ${failed[*]:-none}"
  [[ ${#failed[@]} -eq 0 ]]
  exit
fi
run_tests build

if [[ $mode == all ]]; then
  step "address and undefined-behavior sanitizers, ${simd[-1]}"
  scripts/build.sh build-asan all -DCMAKE_BUILD_TYPE=Debug -DNORMGRAD_SANITIZE=address,undefined \
    -DNORMGRAD_SIMD_ONLY="${simd[-1]}"
  run_tests build-asan -LE 'slow|packaging'
fi
