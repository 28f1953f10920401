# SPDX-License-Identifier: BSD-3-Clause
# shellcheck shell=bash
#
# What tools/setup, build, test and demo share; sourced, not run.

ROOT=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)

say() { printf '== %s\n' "$*" >&2; }

die() {
  printf '%s: %s\n' "$(basename "$0")" "$*" >&2
  exit 1
}

# Ctrl-C ends the script, and not only the command that runs.
end_on_signals() {
  trap 'exit 130' INT
  trap 'exit 143' TERM HUP
}

# Configures DIR if it is new, then builds the targets named (all without one):
#   build_tree DIR [MESON_OPTION...] [-- TARGET...]
# Two builds of the same tree wait for each other: meson and ninja alone do not.
build_tree() {
  local dir=$1 options=()
  shift
  while [ $# -gt 0 ] && [ "$1" != "--" ]; do
    options+=("$1")
    shift
  done
  [ $# -gt 0 ] && shift
  mkdir -p "$dir"
  (
    exec 9<"$dir"
    flock -n 9 || { say "waiting for another build of $dir" && flock 9; }
    if [ ! -f "$dir/build.ninja" ]; then
      say "meson setup $dir ${options[*]}"
      meson setup "$dir" "$ROOT" "${options[@]}" >&2 9<&- || exit 1
    elif [ ${#options[@]} -gt 0 ]; then
      meson configure "$dir" "${options[@]}" >&2 9<&- || exit 1
    fi
    say "ninja -C $dir $*"
    ninja -C "$dir" "$@" >&2 9<&-
  )
}
