#!/bin/bash
# usage: dockerfile_steps.sh [demo|test]
# Runs the steps of the Dockerfile, up to the given stage (default: demo), in a temporary Debian 12 created by
# debootstrap: for machines without a container engine. Needs root and the package debootstrap.
set -euo pipefail
cd "$(dirname "$0")/.."

stage=${1:-demo}
case $stage in
  demo | test) ;;
  *) echo "usage: scripts/dockerfile_steps.sh [demo|test]" >&2; exit 2 ;;
esac
if ! command -v debootstrap >/dev/null; then
  echo "dockerfile_steps: expected debootstrap (package debootstrap) but it is not installed" >&2
  exit 1
fi

root=$(mktemp -d)
clean_up() {
  umount "$root/dev/shm" "$root/dev/pts" "$root/proc" 2>/dev/null || true
  rm -rf --one-file-system "$root"
}
trap clean_up EXIT

# Packages come from the mirror that this system uses.
sources=(/etc/apt/sources.list /etc/apt/sources.list.d/*)
mirror=$(grep -hoE '^(deb |URIs: )[^#]*' "${sources[@]}" 2>/dev/null | grep -oE '(https?|file)://[^ ]+' | head -1 || true)
debootstrap --variant=minbase bookworm "$root" ${mirror:+"$mirror"}
for file in /etc/apt/apt.conf.d/*proxy* /etc/apt/auth.conf /etc/resolv.conf; do
  if [[ -f $file ]]; then install -D -m 644 "$file" "$root$file"; fi
done
# What a container engine provides, too.
mkdir -p "$root/dev/pts" "$root/dev/shm"
mount -t proc proc "$root/proc"
mount -t devpts -o newinstance,ptmxmode=0666 devpts "$root/dev/pts"
ln -sf pts/ptmx "$root/dev/ptmx"
mount -t tmpfs tmpfs "$root/dev/shm"

workdir=/
current=
while read -r instruction arguments; do
  case $instruction in
    FROM) current=$(sed -n 's/.* AS //p' <<<"$arguments") ;;
    WORKDIR)
      workdir=$arguments
      mkdir -p "$root$workdir"
      ;;
    COPY) git ls-files -z | tar --null -T - -c | tar -x -C "$root$workdir" ;;
    RUN)
      if [[ $current == demo || $current == "$stage" ]]; then
        echo "== $arguments"
        chroot "$root" /bin/bash -c "cd $workdir && $arguments"
      fi
      ;;
  esac
done <Dockerfile
