#!/bin/bash
# usage: arm64_root.sh
# Unpacks Debian's arm64 libraries into build-arm64-root, for `cmake --preset arm64`, from where this machine's packages
# come from. Installs nothing: the packages of this machine stay as they are.
set -euo pipefail
cd "$(dirname "$0")/.."

root=$PWD/build-arm64-root
state=$root/.apt
if [[ ! -r /etc/os-release ]] || ! . /etc/os-release || [[ ${ID:-} != debian ]]; then
  echo "arm64_root: this is not Debian, whose arm64 packages are needed" >&2
  exit 1
fi
mkdir -p "$state"/{lists,archives}/partial
: >"$state/status"  # nothing is installed yet
cat >"$state/apt.conf" <<EOF
APT::Architecture "arm64";
APT::Architectures { "arm64"; };
APT::Install-Recommends "false";
APT::Sandbox::User "root";
Dir::State "$state";
Dir::State::status "$state/status";
Dir::Cache "$state";
EOF
export APT_CONFIG=$state/apt.conf

# The libraries of scripts/packages.txt and those of the compiler.
mapfile -t libraries < <(awk '$1 != "#" && $2 ~ /-dev$/ { sub(/\|.*/, "", $2); print $2 }' scripts/packages.txt)
apt-get -q update
apt-get -q -y install --download-only "${libraries[@]}" libc6-dev "libstdc++-$(aarch64-linux-gnu-g++ -dumpversion)-dev" libgomp1
for package in "$state"/archives/*.deb; do
  dpkg-deb -x "$package" "$root"
done

# Links that name a path of the root are made relative.
find "$root" -type l -lname '/*' | while read -r link; do
  target=$root$(readlink "$link")
  if [[ -e $target ]]; then
    ln -sfn "$(realpath -s --relative-to="$(dirname "$link")" "$target")" "$link"
  fi
done
# What update-alternatives would do on the installed system.
cd "$root/usr/lib/aarch64-linux-gnu"
ln -sf blas/libblas.so* lapack/liblapack.so* .
rm -r "$state"
echo "arm64_root: $root is complete"
