#!/bin/bash
# usage: reuse_objects.sh COMPILER ARGUMENT...   (as CMAKE_CXX_COMPILER_LAUNCHER)
# Where the build in $NORMGRAD_BUILT has compiled the same file by the same command, its object is taken; anything else is
# compiled. So normgrad can be built as a part of another project in seconds, and every command of that build is looked at.
set -eu

# The command on standard input, a line each: without the files that it writes, with one name for the folder through
# which normgrad's headers are found, and with the text of a generated file that includes a group of sources.
essence() {
  local word skip=no
  while IFS= read -r word; do
    if [[ $skip == yes ]]; then
      skip=no
    elif [[ $word == -o || $word == -MT || $word == -MF ]]; then
      skip=yes
    elif [[ $word == -I* && -e ${word#-I}/normgrad/normgrad.hpp ]]; then
      echo "-I<normgrad>"
    elif [[ $word == */Unity/unity_* && -e $word ]]; then
      cat "$word"
    elif [[ $word != -MD && -n $word ]]; then
      echo "$word"
    fi
  done
}

object=
depfile=
previous=
for word; do
  case $previous in
    -o) object=$word ;;
    -MF) depfile=$word ;;
  esac
  previous=$word
done

built=CMakeFiles/${object#*CMakeFiles/}
line=$(grep -F -- " -o $built -c " "${NORMGRAD_BUILT:-.}/compile_commands.json" || true)
if [[ -n $object && -n $line && -e $NORMGRAD_BUILT/$built ]]; then
  line=${line#*\"command\": \"}
  if [[ $(tr ' ' '\n' <<<"${line%\",}" | essence) == "$(printf '%s\n' "$@" | essence)" ]]; then
    cp "$NORMGRAD_BUILT/$built" "$object"
    [[ -z $depfile ]] || echo "$object:" >"$depfile"
    exit 0
  fi
fi
exec "$@"
