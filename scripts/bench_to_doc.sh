#!/usr/bin/env bash
# Copies the tables written by scripts/bench_vs_libtorch.sh into docs/performance.md, between its two markers, with the
# date and the type of machine.
set -euo pipefail
cd "$(dirname "$0")/.."

tables=out/bench/vs_libtorch.md
doc=docs/performance.md
[ -f "$tables" ] || { echo "Run scripts/bench_vs_libtorch.sh first" >&2; exit 2; }
model=$(awk -F': ' '/^model name/ { print $2; exit }' /proc/cpuinfo)
simd=$(grep -qw avx512f /proc/cpuinfo && echo " with AVX-512" || true)
head="Taken on $(date -r "$tables" +%Y-%m-%d) on $(nproc) processors of a $(uname -m) machine$simd (${model:-unknown})."
{
  sed '/<!-- tables begin -->/q' "$doc"
  printf '\n%s\n' "$head"
  cat "$tables"
  printf '\n'
  sed -n '/<!-- tables end -->/,$p' "$doc"
} >"$doc.new"
mv "$doc.new" "$doc"
