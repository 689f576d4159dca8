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
out=out/bench
mkdir -p "$out"

if [ ! -d /usr/include/torch ] || [ ! -d /usr/lib/"$(uname -m)"-linux-gnu/openblas-openmp ]; then
  if [ "$(id -u)" -eq 0 ]; then
    apt-get install -y --no-install-recommends libtorch-dev libopenblas0-openmp
  else
    echo "Install LibTorch first: sudo apt-get install libtorch-dev libopenblas0-openmp" >&2
    exit 2
  fi
fi

[ -f build/CMakeCache.txt ] || cmake -B build -DCMAKE_BUILD_TYPE=Release
cmake --build build --target normgrad_shared -j "$(nproc)"
sources=bench/vs_libtorch
is_current() { [ "$1" -nt "$2" ] && [ "$1" -nt "$sources/ops_cases.hpp" ] && [ "$1" -nt "$sources/cases.hpp" ]; }
is_current "$out/ops_libtorch" "$sources/ops_libtorch.cpp" ||
  g++ -O2 -std=c++17 -fopenmp -isystem /usr/include/torch/csrc/api/include "$sources/ops_libtorch.cpp" \
    -o "$out/ops_libtorch" -ltorch -ltorch_cpu -lc10
g++ -O2 -std=c++20 -Ibuild/include "$sources/ops_normgrad.cpp" -o "$out/ops_normgrad" -Lbuild -lnormgrad \
  -Wl,-rpath,"$PWD/build"
g++ -O2 -std=c++20 "$sources/ops_report.cpp" -o "$out/ops_report"

case ${SIMD:-} in
  "") simd=$(grep -qw avx512f /proc/cpuinfo && echo AVX-512 || { grep -qw avx2 /proc/cpuinfo && echo AVX2 || echo baseline; }) ;;
  avx2)
    simd="AVX2 only"
    export NORMGRAD_SIMD=avx2 ONEDNN_MAX_CPU_ISA=AVX2 ATEN_CPU_CAPABILITY=avx2 OPENBLAS_CORETYPE=Haswell
    ;;
  *) echo "bench_ops.sh: expected SIMD=avx2 or nothing but got '$SIMD'" >&2 && exit 2 ;;
esac
thread_counts=${THREADS:-$([ "$(nproc)" -ge 2 ] && echo "1 2" || echo 1)}
rm -f "$out"/ops_normgrad.*.txt "$out"/ops_libtorch.*.txt
# LibTorch at its best: OpenBLAS with the threading runtime that LibTorch uses.
openblas=$(dirname "$(find /usr/lib -path '*openblas-openmp/libblas.so.3' -print -quit)")
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
