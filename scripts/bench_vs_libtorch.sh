#!/usr/bin/env bash
# Compares normgrad with LibTorch (Debian's package) on the same machine in one run: the norm layers of the baselines
# and whole training steps, on 1 and on 2 threads, alternating between the programs, and the peak memory of both. Writes
# out/bench/vs_libtorch.json and .md; scripts/bench_to_doc.sh copies the tables into docs/performance.md.
#   scripts/bench_vs_libtorch.sh [REPEATS (default 5)] [SECONDS PER CASE (default 0.2)] [ONLY CASES NAMED SO]
set -euo pipefail
cd "$(dirname "$0")/.."

repeats=${1:-5}
seconds=${2:-0.2}
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
compile() { g++ -O2 -Ibench/vs_libtorch "$@"; }
libtorch_side=$out/libtorch_side
if [ ! "$libtorch_side" -nt bench/vs_libtorch/libtorch_side.cpp ] || [ ! "$libtorch_side" -nt bench/vs_libtorch/cases.hpp ]; then
  compile -std=c++17 -fopenmp -isystem /usr/include/torch/csrc/api/include bench/vs_libtorch/libtorch_side.cpp \
    -o "$libtorch_side" -ltorch -ltorch_cpu -lc10
fi
compile -std=c++20 -Ibuild/include bench/vs_libtorch/normgrad_side.cpp -o "$out/normgrad_side" \
  -Lbuild -lnormgrad -Wl,-rpath,"$PWD/build"
compile -std=c++20 bench/vs_libtorch/report.cpp -o "$out/report"

thread_counts="1 2"
[ "$(nproc)" -ge 2 ] || thread_counts="1"
rm -f "$out"/normgrad.*.txt "$out"/libtorch.*.txt
# LibTorch at its best: OpenBLAS with the threading runtime that LibTorch uses.
openblas=$(dirname "$(find /usr/lib -path '*openblas-openmp/libblas.so.3' -print -quit)")
run_side() { LD_LIBRARY_PATH=$openblas OMP_NUM_THREADS=$threads taskset -c "$cpus" "$out/$1_side" "${@:2}"; }
for threads in $thread_counts; do
  cpus=$([ "$threads" -eq 1 ] && echo 0 || echo 0-$((threads - 1)))
  for repeat in $(seq "$repeats"); do
    echo "$threads thread(s), repeat $repeat of $repeats" >&2
    for side in normgrad libtorch; do
      run_side "$side" --threads "$threads" --seconds "$seconds" --only "$only" >>"$out/$side.$threads.txt"
    done
  done
done
threads=1 cpus=0
for side in normgrad libtorch; do
  for model in mlp cnn; do
    run_side "$side" --seconds 0.5 --only "$model step, norm batch" --memory 1 >>"$out/$side.memory.txt"
  done
done
"$out/report" "$out" "$thread_counts"
