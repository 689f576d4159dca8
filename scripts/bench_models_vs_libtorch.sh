#!/usr/bin/env bash
# Compares normgrad with LibTorch (Debian's package) on whole models that nothing was tuned for (bench/vs_libtorch/models.hpp):
# time and the peak memory of a process that runs this case alone. Writes out/bench/models.json and .md, worst ratio
# first.
#   scripts/bench_models_vs_libtorch.sh [REPEATS (default 3)] [SECONDS PER CASE (default 0.5)] [ONLY CASES NAMED SO]
# KEEP_MEMORY=1 lets LibTorch's malloc keep freed memory instead of returning it to the system, whose page faults can
# take most of its time. For a comparison limited to AVX2: NORMGRAD_SIMD=avx2 ATEN_CPU_CAPABILITY=avx2
# ONEDNN_MAX_CPU_ISA=AVX2 (both libraries read the last one).
set -euo pipefail
cd "$(dirname "$0")/.."

repeats=${1:-3}
seconds=${2:-0.5}
only=${3:-model }
source scripts/libtorch.sh
compile_libtorch models_libtorch models.hpp cases.hpp
compile_normgrad models_normgrad
compile_report models_report

malloc_settings=()
if [ -n "${KEEP_MEMORY:-}" ]; then
  malloc_settings=(MALLOC_MMAP_MAX_=0 MALLOC_TRIM_THRESHOLD_=17179869184)
fi
rows=$out/models.txt
: >"$rows"
"$out/models_report" --list | grep -F -- "$only" >"$out/models.names"
while read -r name; do
  for threads in $thread_counts; do
    cpus=$(cpus_of "$threads")
    for repeat in $(seq "$repeats"); do
      for side in normgrad libtorch; do
        echo "$name, $threads thread(s), repeat $repeat of $repeats" >&2
        settings=("LD_LIBRARY_PATH=$openblas" "OMP_NUM_THREADS=$threads")
        [ "$side" = normgrad ] || settings+=("${malloc_settings[@]}")
        env "${settings[@]}" taskset -c "$cpus" "$out/models_$side" \
          --threads "$threads" --seconds "$seconds" --only "$name" --peak 1 </dev/null |
          awk -v side="$side" -v threads="$threads" -F'\t' '{ print side "\t" threads "\t" $0 }' >>"$rows"
      done
    done
  done
done <"$out/models.names"
"$out/models_report" "$rows" "$out"
