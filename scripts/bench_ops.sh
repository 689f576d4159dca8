#!/usr/bin/env bash
# Compares single operations of normgrad and of LibTorch (Debian's package) on the same machine in one run, over three
# sizes each, on 1 and on 2 threads, alternating between the programs. Writes out/bench/ops_vs_libtorch.json and .md,
# worst ratio first.
#   scripts/bench_ops.sh [REPEATS (default 3)] [SECONDS PER CASE (default 0.05)] [ONLY CASES NAMED SO]
# SIMD=avx2 in the environment limits both libraries to that instruction set; THREADS="1" limits the numbers of threads.
set -euo pipefail
cd "$(dirname "$0")/.."

repeats=${1:-3}
seconds=${2:-0.05}
only=${3:-}
source scripts/libtorch.sh
compile_libtorch ops_libtorch ops_cases.hpp cases.hpp
compile_normgrad ops_normgrad
compile_report ops_report

case ${SIMD:-} in
  "") simd=$(grep -qw avx512f /proc/cpuinfo && echo AVX-512 || { grep -qw avx2 /proc/cpuinfo && echo AVX2 || echo baseline; }) ;;
  avx2)
    simd="AVX2 only"
    export NORMGRAD_SIMD=avx2 ONEDNN_MAX_CPU_ISA=AVX2 ATEN_CPU_CAPABILITY=avx2 OPENBLAS_CORETYPE=Haswell
    ;;
  *) echo "bench_ops.sh: expected SIMD=avx2 or nothing but got '$SIMD'" >&2 && exit 2 ;;
esac
thread_counts=${THREADS:-$thread_counts}
rm -f "$out"/ops_normgrad.*.txt "$out"/ops_libtorch.*.txt
for threads in $thread_counts; do
  for repeat in $(seq "$repeats"); do
    echo "$threads thread(s), repeat $repeat of $repeats" >&2
    for side in normgrad libtorch; do
      LD_LIBRARY_PATH=$openblas OMP_NUM_THREADS=$threads "$out/ops_$side" --threads "$threads" --seconds "$seconds" \
        --only "$only" >>"$out/ops_$side.$threads.txt"
    done
  done
done
model=$(awk -F': ' '/^model name/ { print $2; exit }' /proc/cpuinfo)
"$out/ops_report" "$out" "$thread_counts" \
  "Taken on $(date +%Y-%m-%d) on $(nproc) processors of a $(uname -m) machine, ${model:-unknown}, $simd."
