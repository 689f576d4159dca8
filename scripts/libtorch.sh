# For the scripts that compare with LibTorch, which source this file in the project's folder: installs Debian's package
# if it is missing, builds the library, and sets `out`, `sources`, `openblas` and `thread_counts`.

out=out/bench
sources=bench/vs_libtorch
mkdir -p "$out"

if [ ! -d /usr/include/torch ] || [ ! -d /usr/lib/"$(uname -m)"-linux-gnu/openblas-openmp ]; then
  if [ "$(id -u)" -eq 0 ]; then
    apt-get install -y --no-install-recommends libtorch-dev libopenblas0-openmp
  else
    echo "Install LibTorch first: sudo apt-get install libtorch-dev libopenblas0-openmp" >&2
    exit 2
  fi
fi
# OpenBLAS with the threading runtime of LibTorch's other operations: its fastest configuration.
openblas=$(dirname "$(find /usr/lib -path '*openblas-openmp/libblas.so.3' -print -quit)")

[ -f build/CMakeCache.txt ] || cmake -B build -DCMAKE_BUILD_TYPE=Release
cmake --build build --target normgrad_shared -j "$(nproc)"

# compile_libtorch NAME HEADER...: $out/NAME from $sources/NAME.cpp, unless it is newer than that and the headers.
compile_libtorch() {
  local name=$1 source
  shift
  for source in "$name.cpp" "$@"; do
    if [ ! "$out/$name" -nt "$sources/$source" ]; then
      g++ -O2 -std=c++17 -fopenmp -I"$sources" -isystem /usr/include/torch/csrc/api/include "$sources/$name.cpp" \
        -o "$out/$name" -ltorch -ltorch_cpu -lc10
      return
    fi
  done
}
compile_normgrad() {
  g++ -O2 -std=c++20 -I"$sources" -Ibuild/include "$sources/$1.cpp" -o "$out/$1" -Lbuild -lnormgrad \
    -Wl,-rpath,"$PWD/build"
}
compile_report() { g++ -O2 -std=c++20 -I"$sources" "$sources/$1.cpp" -o "$out/$1"; }

thread_counts="1 2"
[ "$(nproc)" -ge 2 ] || thread_counts="1"
# cpus_of THREADS: the processors that a program with so many threads is pinned to.
cpus_of() { [ "$1" -eq 1 ] && echo 0 || echo 0-$(($1 - 1)); }
