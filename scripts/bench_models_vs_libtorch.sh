#!/usr/bin/env bash
# Compares normgrad with LibTorch (Debian's package) on whole models that nothing was tuned for (bench/vs_libtorch/models.hpp):
# time and the peak memory of a process that runs this case alone. Run scripts/bench_vs_libtorch.sh once before: it
# installs LibTorch and builds the library. Writes out/bench/models.json and .md, worst ratio first.
#   scripts/bench_models_vs_libtorch.sh [REPEATS (default 3)] [SECONDS PER CASE (default 0.5)] [ONLY CASES NAMED SO]
# For a comparison limited to AVX2: NORMGRAD_SIMD=avx2 ATEN_CPU_CAPABILITY=avx2 ONEDNN_MAX_CPU_ISA=AVX2 (both libraries
# read the last one).
set -euo pipefail
cd "$(dirname "$0")/.."

repeats=${1:-3}
seconds=${2:-0.5}
only=${3:-model }
out=out/bench
mkdir -p "$out"
sources=bench/vs_libtorch
[ -e build/libnormgrad.so ] || { echo "Run scripts/bench_vs_libtorch.sh first" >&2; exit 2; }
libtorch_side=$out/models_libtorch
if [ ! "$libtorch_side" -nt $sources/models_libtorch.cpp ] || [ ! "$libtorch_side" -nt $sources/models.hpp ]; then
  g++ -O2 -std=c++17 -fopenmp -I$sources -isystem /usr/include/torch/csrc/api/include $sources/models_libtorch.cpp \
    -o "$libtorch_side" -ltorch -ltorch_cpu -lc10
fi
g++ -O2 -std=c++20 -I$sources -Ibuild/include $sources/models_normgrad.cpp -o "$out/models_normgrad" -Lbuild -lnormgrad \
  -Wl,-rpath,"$PWD/build"
g++ -O2 -std=c++20 -I$sources $sources/models_report.cpp -o "$out/models_report"

thread_counts="1 2"
[ "$(nproc)" -ge 2 ] || thread_counts="1"
openblas=$(dirname "$(find /usr/lib -path '*openblas-openmp/libblas.so.3' -print -quit)")
rows=$out/models.txt
: >"$rows"
"$out/models_report" --list | grep -F -- "$only" >"$out/models.names"
while read -r name; do
  for threads in $thread_counts; do
    cpus=$([ "$threads" -eq 1 ] && echo 0 || echo 0-$((threads - 1)))
    for repeat in $(seq "$repeats"); do
      for side in normgrad libtorch; do
        echo "$name, $threads thread(s), repeat $repeat of $repeats" >&2
        LD_LIBRARY_PATH=$openblas OMP_NUM_THREADS=$threads taskset -c "$cpus" "$out/models_$side" \
          --threads "$threads" --seconds "$seconds" --only "$name" --peak 1 </dev/null |
          awk -v side="$side" -v threads="$threads" -F'\t' '{ print side "\t" threads "\t" $0 }' >>"$rows"
      done
    done
  done
done <"$out/models.names"
"$out/models_report" "$rows" "$out"
