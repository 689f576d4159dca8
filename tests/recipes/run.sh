#!/bin/bash
# usage: run.sh work=FOLDER cxx=COMPILER flags=FLAGS simd:ARCH=FLAGS... library=FILE test_libraries=FILES
#               tree_tests=PROGRAM docs_tests=PROGRAM [layers_tests=PROGRAM]
# Checks that a norm, an operation and an optimizer can be added to the library in the few places listed by the guides
# (docs/guides/write_a_norm.md, write_an_op.md, write_an_optimizer.md). Adds one of each to a copy of the sources in
# FOLDER, compiles the new and changed files, uses them in main.cpp, and runs the tests of the tree and the documents on
# the copy. Then undoes the changes that only these tests notice, one at a time, and expects them to fail. layers_tests
# must be linked with the shared library; it runs the tests that all norms share on the new norm. CTest passes the
# arguments: ctest --test-dir build -R tree/recipes --verbose
# shellcheck disable=SC2016  # the backquotes are Markdown
set -euo pipefail
cd "$(dirname "$0")/../.."

usage() { sed -n '2,3s/^# //p' tests/recipes/run.sh >&2; exit 2; }
fail() { echo "recipes: $*" >&2; exit 1; }

declare -A given=() simd=()
for argument; do
  [[ $argument == *=* ]] || usage
  name=${argument%%=*}
  case $name in
    simd:*) simd[${name#simd:}]=${argument#*=} ;;
    work | cxx | flags | library | test_libraries | tree_tests | docs_tests | layers_tests) given[$name]=${argument#*=} ;;
    *) usage ;;
  esac
done
for name in work cxx flags library test_libraries tree_tests docs_tests; do
  [[ -n ${given[$name]:-} ]] || usage
done
[[ ${#simd[@]} -gt 0 ]] || usage
read -ra flags <<<"${given[flags]}"
read -ra test_libraries <<<"${given[test_libraries]}"

copy=${given[work]}/normgrad
objects=${given[work]}/objects
logs=${given[work]}/logs
original=${given[work]}/original  # changed files of the copy before the change

# --- the copy

rm -rf "${given[work]}"
mkdir -p "$copy" "$objects" "$logs" "$original"
cp -r bench cmake core data dist docs examples io lab layers optim scripts tests train "$copy"
cp ./*.md ./*.txt ./*.json LICENSE normgrad.hpp dist.hpp "$copy"
mkdir -p "${given[work]}/include"
ln -s "$copy" "${given[work]}/include/normgrad"  # sources are included as normgrad/core/..., as in a build

# --- the places

recipe=
declare -A places=()  # number of places per recipe

touched() {
  echo "$recipe: $1"
  places[$recipe]=$((${places[$recipe]:-0} + 1))
}

# add SOURCE PATH: a new file.
add() {
  [[ ! -e $copy/$2 ]] || fail "$2 exists already"
  cp "tests/recipes/$1" "$copy/$2"
  touched "$2 (new)"
}

# change PATH after|before ANCHOR TEXT [after|before ANCHOR TEXT...]: inserts lines into a file, each next to the first
# line that starts with ANCHOR.
change() {
  local path=$1
  mkdir -p "$original/$(dirname "$path")"
  [[ -e $original/$path ]] || cp "$copy/$path" "$original/$path"
  shift
  while [[ $# -gt 0 ]]; do
    WHERE=$1 ANCHOR=$2 TEXT=$3 awk '
      BEGIN { where = ENVIRON["WHERE"]; anchor = ENVIRON["ANCHOR"]; text = ENVIRON["TEXT"] }
      !found && index($0, anchor) == 1 {
        found = 1
        print where == "before" ? text "\n" $0 : $0 "\n" text
        next
      }
      { print }
      END { exit !found }' "$copy/$path" >"$copy/$path.new" ||
      fail "$path has no line that starts with '$2', where the $recipe is to be added"
    mv "$copy/$path.new" "$copy/$path"
    shift 3
  done
  touched "$path"
}

# replace PATH OLD NEW: replaces the first OLD in a file by NEW.
replace() {
  local path=$1 text
  mkdir -p "$original/$(dirname "$path")"
  [[ -e $original/$path ]] || cp "$copy/$path" "$original/$path"
  text=$(<"$copy/$path")
  [[ $text == *"$2"* ]] || fail "$path does not contain '$2', where the $recipe is to be added"
  printf '%s\n' "${text/"$2"/"$3"}" >"$copy/$path"
  touched "$path"
}

recipe=norm
add norm/position_norm.hpp layers/norm/position_norm.hpp
add norm/position_norm.cpp layers/norm/position_norm.cpp
change layers/norm/registry.cpp \
  before '#include "normgrad/layers/norm/rms_norm.hpp"' '#include "normgrad/layers/norm/position_norm.hpp"' \
  before 'std::unique_ptr<Module> make_none(' \
  'std::unique_ptr<Module> make_position(const NormContext& c, const NormArguments& arguments) {
  return std::make_unique<PositionNorm>(c.num_features,
                                        PositionNormOptions{.eps = arguments.number("eps", 1e-5), .dtype = c.dtype});
}
' \
  after '      {.name = "rms"' \
  '      {.name = "position", .reason_against = always, .make = make_position, .options = {"eps"}},'
change normgrad.hpp \
  before '#include "normgrad/layers/norm/registry.hpp"' '#include "normgrad/layers/norm/position_norm.hpp"'
change docs/norms.md before '**LocalResponseNorm**' \
  '**PositionNorm** takes inputs `[N, C, ...]` of rank 2 or higher and normalizes each position over its channels.
'

recipe=operation
add op/elliot.hpp core/ops/elementwise/elliot.hpp
add op/elliot.cpp core/ops/elementwise/elliot.cpp
change normgrad.hpp \
  before '#include "normgrad/core/ops/elementwise/unary.hpp"' '#include "normgrad/core/ops/elementwise/elliot.hpp"'
change docs/operations.md before '| `to(x, dtype)`' '| `elliot` | x / (1 + \|x\|) | any order away from 0 |'
change tests/gradcheck_report/elementwise.cpp \
  before '#include "normgrad/core/ops/elementwise/unary.hpp"' '#include "normgrad/core/ops/elementwise/elliot.hpp"' \
  after '  unary("sigmoid"' '  unary("elliot", &elliot, nonzero);'
add op/elliot_test.cpp tests/ops/elliot_test.cpp
change CHANGELOG.md before '- ' '- The activation `elliot`.'

recipe=optimizer
add optimizer/sign_sgd.hpp optim/sign_sgd.hpp
add optimizer/sign_sgd.cpp optim/sign_sgd.cpp
add optimizer/sign_sgd.simd.cpp optim/sign_sgd.simd.cpp
change normgrad.hpp before '#include "normgrad/train/' '#include "normgrad/optim/sign_sgd.hpp"'
change tests/optim/step_test.cpp after '      optimizer_of<Lion>,' '      optimizer_of<SignSGD>,'
change tests/optim/update_test.cpp \
  after '#include "normgrad/optim/sgd.hpp"' '#include "normgrad/optim/sign_sgd.hpp"' \
  before 'TEST_P(UpdateTest, Lion) {' \
  'TEST_P(UpdateTest, SignSGD) {
  check_all(SignSGDOptions{.lr = 0.2}, {.decoupled = true},
            [](double& p, double g, auto& /*s*/) { p -= g > 0.0 ? 0.2 : g < 0.0 ? -0.2 : 0.0; });
}
'
replace docs/training_tools.md '`Adamax`' '`Adamax`, `SignSGD`'

for recipe in norm:5 operation:7 optimizer:7; do
  count=${places[${recipe%:*}]}
  echo "${recipe%:*}: $count places"
  [[ $count -eq ${recipe#*:} ]] || fail "the guides name ${recipe#*:} places for ${recipe%:*}, but it took $count"
done

# --- compiling

commands=()
# compile OBJECT SOURCE FLAG...
compile() {
  local object=$objects/$1 source=$2
  shift 2
  commands+=("$(printf '%q ' "${given[cxx]}" -std=c++20 "${flags[@]}" -fPIC -O1 -I"${given[work]}/include" -I"$copy" \
    "$@" -c "$source" -o "$object")")
}
# Runs the commands, as many at a time as there are processors.
run_commands() { printf '%s\0' "${commands[@]}" | xargs -0 -n 1 -P "$(nproc)" bash -c || fail "it does not compile"; }

# compile_together OBJECT SOURCE... -- FLAG...: compiles several files as one, as the build does, with a namespace for what
# is local to each test.
compile_together() {
  local object=$1 together=$objects/${1%.o}.cpp
  shift
  while [[ $1 != -- ]]; do
    printf '#define NORMGRAD_TEST_FILE %s\n#include "%s"\n#undef NORMGRAD_TEST_FILE\n' "$(basename "$1" .cpp)" "$1"
    shift
  done >"$together"
  shift
  compile "$object" "$together" "$@"
}
compile_together main.o tests/gradcheck_report/{cases,elementwise}.cpp tests/recipes/main.cpp -- -ffunction-sections
compile_together tests.o tests/ops/elliot_test.cpp tests/optim/{step,update}_test.cpp --
library_objects=()
for source in layers/norm/position_norm layers/norm/registry core/ops/elementwise/elliot optim/sign_sgd; do
  compile "${source##*/}.o" "$copy/$source.cpp"
  library_objects+=("$objects/${source##*/}.o")
done
for arch in "${!simd[@]}"; do
  read -ra arch_flags <<<"${simd[$arch]}"
  compile "sign_sgd.$arch.o" "$copy/optim/sign_sgd.simd.cpp" "${arch_flags[@]}" -O1 \
    -DNORMGRAD_SIMD_NAMESPACE="$arch" -DNORMGRAD_SIMD_"$arch"=1
  library_objects+=("$objects/sign_sgd.$arch.o")
done
run_commands

# Functions of the copy take precedence over those of the library.
link() { "${given[cxx]}" -o "$@" "${library_objects[@]}" "${given[library]}" -Wl,-rpath,"$(dirname "${given[library]}")"; }
# The rest of the gradient table is not compiled; the linker discards what refers to it.
link "${given[work]}/main" "$objects/main.o" -Wl,--gc-sections
link "${given[work]}/tests" "$objects/tests.o" "${test_libraries[@]}" -pthread

# --- running

"${given[work]}/main"

preload=  # library to preload into a test program
# run_tests PROGRAM FILTER: runs tests and prints their number, which must not be 0.
run_tests() {
  local log count
  log=$logs/$(basename "$1").txt
  env ${preload:+LD_PRELOAD="$preload"} "$1" --gtest_filter="$2" >"$log" 2>&1 || return 1
  count=$(sed -n 's/^\[==========\] Running \([0-9]*\) tests\{0,1\} .*/\1/p' "$log")
  [[ ${count:-0} -gt 0 ]] || fail "$(basename "$1"): no test matches $2"
  echo "$(basename "$1"): $count tests"
}
must_pass() { run_tests "$@" || { cat "$logs/$(basename "$1").txt" >&2; fail "$(basename "$1") fails"; }; }

must_pass "${given[work]}/tests" '*Elliot*:StepTest.*:*UpdateTest.SignSGD*'
if [[ -n ${given[layers_tests]:-} ]]; then
  link "${given[work]}/recipes.so" -shared
  preload=${given[work]}/recipes.so
  must_pass "${given[layers_tests]}" '*/position_*'
  preload=
fi

export NORMGRAD_SOURCE_DIR=$copy
tree_filter='Floors.*:Headers.*:Files.*:Docs.*'
must_pass "${given[tree_tests]}" "$tree_filter"
must_pass "${given[docs_tests]}" 'Troubleshooting.*'

# --- omissions

# noticed PATH TEST: checks that the test fails without the change of a file.
noticed() {
  cp "$copy/$1" "$original/changed"
  cp "$original/$1" "$copy/$1"
  ! run_tests "${given[tree_tests]}" "$tree_filter" >/dev/null || fail "no test notices that the change of $1 is missing"
  grep -q "^\[  FAILED  \] $2" "$logs/$(basename "${given[tree_tests]}").txt" ||
    fail "$2 does not notice that the change of $1 is missing"
  cp "$original/changed" "$copy/$1"
  echo "without the change of $1: $2 fails"
}
noticed normgrad.hpp Headers.NormgradHppIncludesEveryPublicOne
noticed docs/norms.md Docs.EveryNormOfTheRegistryHasASection
noticed docs/operations.md Docs.EveryOperationIsInTheTable
noticed docs/training_tools.md Docs.EveryOptimizerIsNamed
