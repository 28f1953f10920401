# SPDX-License-Identifier: BSD-3-Clause
# shellcheck shell=bash
#
# What every smoke test starts with; sourced. BUILD_DIR says where the programs are (build/).
#
#   check SENTENCE COMMAND...   prints "ok" or "not ok"; a test goes on after a failure
#   sa_field SITE SPI FILTER    a figure of one SA, by a jq filter
#   verdict                     last line of a test: true when everything was ok

set -u
. "$(dirname "${BASH_SOURCE[0]}")/../../tools/lib.sh"
. "$ROOT/tools/lab/namespaces.sh"
. "$ROOT/tools/demo_site.sh"

SMOKE_FAILURES=0

check() {
  local sentence=$1
  shift
  if "$@" >"$LAB_DIR/check" 2>&1; then
    printf 'ok      %s\n' "$sentence"
  else
    printf 'not ok  %s: %s\n' "$sentence" "$*"
    sed 's/^/        /' "$LAB_DIR/check" | tail -n 15
    SMOKE_FAILURES=$((SMOKE_FAILURES + 1))
  fi
}

equals() {
  [ "$1" = "$2" ] || {
    printf 'is %s, should be %s\n' "$1" "$2"
    false
  }
}

at_most() {
  [ "$1" -le "$2" ] || {
    printf 'is %s, should be at most %s\n' "$1" "$2"
    false
  }
}

sa_field() {
  culvert show sa --instance "$LAB-$1" --json | jq -r ".sas[] | select(.spi == \"$2\") | $3"
}

# The processes of one gateway by their name, culvertd or culvert-control.
gateway_process() {
  local pid
  for pid in $(ip netns pids "$LAB-gw-$1"); do
    [ "$(cat "/proc/$pid/comm" 2>/dev/null)" = "$2" ] && echo "$pid"
  done
}

balanced() { culvert show balance --instance "$LAB-$1"; }

# Frames that are neither ESP nor ARP, of the captures that wire_capture_start began.
clear_frames() { wire_other not arp | wc -l; }

verdict() { [ "$SMOKE_FAILURES" -eq 0 ]; }
