#!/bin/bash
# usage: setup.sh [run|test]
# Installs missing packages: "run" for the programs, "test" (default) also for the tests.
# Supports Debian 12 and 13 and Ubuntu 24.04 (scripts/packages.txt).
set -euo pipefail
cd "$(dirname "$0")/.."

want=${1:-test}
case $want in
  run) sets=run ;;
  test) sets='run|test' ;;
  *) echo "usage: scripts/setup.sh [run|test]" >&2; exit 2 ;;
esac

if ! command -v dpkg-query >/dev/null; then
  echo "setup: neither Debian nor Ubuntu; the packages needed are named in scripts/packages.txt" >&2
  exit 0
fi

is_installed() { [[ $(dpkg-query -W -f='${db:Status-Abbrev}' "$1" 2>/dev/null || true) == ?i* ]]; }

# The rows without any installed package.
rows=()
while read -r set names _; do
  [[ $set =~ ^($sets)$ ]] || continue
  found=no
  for name in ${names//|/ }; do
    if is_installed "$name"; then found=yes; fi
  done
  [[ $found == yes ]] || rows+=("$names")
done <scripts/packages.txt
if [[ ${#rows[@]} -eq 0 ]]; then
  exit 0
fi

as_root=()
if [[ $(id -u) -ne 0 ]]; then
  if command -v sudo >/dev/null && { sudo -n true 2>/dev/null || [[ -t 0 ]]; }; then
    as_root=(sudo)
  else
    echo "setup: please install what is missing, as root:" >&2
    echo "  apt-get install --no-install-recommends ${rows[*]%%|*}" >&2
    exit 1
  fi
fi

# Another package manager may be running, often the unattended upgrades of a new machine: waits up to ten minutes for
# it.
apt() {
  "${as_root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get -q -y -o DPkg::Lock::Timeout=600 -o Dpkg::Use-Pty=0 "$@"
}
update() {
  echo "setup: fetching the package lists"
  for try in 1 2 3; do
    # Not every apt-get waits for the lock of the package lists, unlike that of the installation.
    if apt update; then return; fi
    echo "setup: the package lists could not be fetched (try $try of 3); trying again in 20 seconds" >&2
    sleep 20
  done
  return 1
}

# Puts the first available name of every row into `chosen`, and rows without one into `unknown`.
# A name is available if the package lists have an installable version of it.
choose() {
  chosen=()
  unknown=()
  local offered row name names
  read -ra names <<<"${rows[*]//|/ }"
  # Read to its end: a reader that leaves early would end apt-cache by a signal, a failure under pipefail.
  offered=$(LC_ALL=C apt-cache policy "${names[@]}" 2>/dev/null |
    awk '/^[^ ]/ { name = $1 } /Candidate: [^(]/ { printf " %s", name }')
  for row in "${rows[@]}"; do
    for name in ${row//|/ }; do
      if [[ "$offered " == *" $name: "* ]]; then
        chosen+=("$name")
        continue 2
      fi
    done
    unknown+=("$row")
  done
}

choose
# The package lists are fetched only if they are missing or too old.
if [[ ${#unknown[@]} -gt 0 ]]; then
  update
  choose
fi
if [[ ${#unknown[@]} -gt 0 ]]; then
  echo "setup: this system offers no package ${unknown[*]}" >&2
  exit 1
fi
size=$(apt-get -s -q --no-install-recommends install "${chosen[@]}" 2>/dev/null | grep -c '^Inst' || true)
echo "setup: downloading and installing ${chosen[*]} (with what they need: $size packages)"
if ! apt install --no-install-recommends "${chosen[@]}"; then
  update
  apt install --no-install-recommends "${chosen[@]}"
fi
