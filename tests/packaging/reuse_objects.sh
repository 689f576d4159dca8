#!/bin/bash
# usage: reuse_objects.sh COMPILER ARGUMENT...   (as CMAKE_CXX_COMPILER_LAUNCHER)
# Reuses the object if the build in $NORMGRAD_BUILT has compiled the same file with the same command, and compiles
# anything else. So normgrad builds as a subproject in seconds, and every command of that build is checked.
set -eu

# The command on standard input, one argument per line, normalized: without its output files, with a fixed name for the
# folder of normgrad's headers, and with the contents of generated files that include a group of sources.
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
