#!/bin/bash
# usage: setup.sh [run|test]
# Installs the Debian packages that are missing: "run" what the programs need, "test" (default) what the tests need too.
set -euo pipefail
cd "$(dirname "$0")/.."

want=${1:-test}
case $want in
  run) sets=run ;;
  test) sets='run|test' ;;
  *) echo "usage: scripts/setup.sh [run|test]" >&2; exit 2 ;;
esac

if ! command -v dpkg-query >/dev/null; then
  echo "setup: not a Debian system; the packages needed are named in scripts/packages.txt" >&2
  exit 0
fi

missing=()
while read -r set name _; do
  if [[ $set =~ ^($sets)$ ]] && ! dpkg-query -W -f='${db:Status-Abbrev}' "$name" 2>/dev/null | grep -q '^.i'; then
    missing+=("$name")
  fi
done <scripts/packages.txt
if [[ ${#missing[@]} -eq 0 ]]; then
  exit 0
fi

as_root=()
if [[ $(id -u) -ne 0 ]]; then
  if command -v sudo >/dev/null && { sudo -n true 2>/dev/null || [[ -t 0 ]]; }; then
    as_root=(sudo)
  else
    echo "setup: please install what is missing, as root:" >&2
    echo "  apt-get install --no-install-recommends ${missing[*]}" >&2
    exit 1
  fi
fi

apt() {
  "${as_root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get -q -y -o Dpkg::Use-Pty=0 "$@"
}
echo "setup: installing ${missing[*]}"
# The package lists are fetched only when they are missing or too old to serve.
if ! apt-get -s -q install --no-install-recommends "${missing[@]}" >/dev/null 2>&1 ||
  ! apt install --no-install-recommends "${missing[@]}"; then
  apt update
  apt install --no-install-recommends "${missing[@]}"
fi
