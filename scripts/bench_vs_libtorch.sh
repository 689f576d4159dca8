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
source scripts/libtorch.sh
compile_libtorch libtorch_side cases.hpp norm_layers.hpp
compile_normgrad normgrad_side
compile_report report

rm -f "$out"/normgrad.*.txt "$out"/libtorch.*.txt
run_side() { LD_LIBRARY_PATH=$openblas OMP_NUM_THREADS=$threads taskset -c "$cpus" "$out/$1_side" "${@:2}"; }
for threads in $thread_counts; do
  cpus=$(cpus_of "$threads")
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
