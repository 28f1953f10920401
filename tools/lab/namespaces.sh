# SPDX-License-Identifier: BSD-3-Clause
# shellcheck shell=bash
#
# Network namespaces for the demo and the smoke tests; sourced behind lib.sh, not run. Every name
# carries the pid of the script that sources it, so any number of labs run side by side; whatever is
# made here is gone again when that script ends, also on Ctrl-C, and soon after it was killed.
#
#   lab_begin                       first call; needs root, sets $LAB and $LAB_DIR, arms the traps
#   lab_ns NAME...                  namespaces $LAB-NAME with lo up
#   lab_veth NS IF NS IF [MTU]      a veth pair between two of them, offloads off, both ends up
#   lab_in NS COMMAND...            run in a namespace
#   lab_spawn NS LOG COMMAND...     the same in the background; its pid in $LAB_PID
#   lab_stop PID                    SIGTERM, after 5 s SIGKILL, to a pid that lab_spawn gave
#   lab_at_exit COMMAND             run before processes and namespaces go
#   lab_huge_pages N                allow N huge pages of 2 MiB while this script runs
#   lab_wait_for SECONDS COMMAND... until COMMAND succeeds; false when time is up
#   lab_mac NS IF                   the interface's MAC address

lab_begin() {
  if [ "$(id -u)" -ne 0 ]; then
    echo "network namespaces need root: run it with sudo" >&2
    exit 77
  fi
  LAB="cv$$"
  LAB_DIR=$(mktemp -d "/tmp/$LAB.XXXXXX")
  LAB_NAMESPACES=()
  LAB_PIDS=()
  LAB_AT_EXIT=()
  # Meson kills a test half a second after its SIGTERM, which is sooner than a gateway ends.
  setsid bash -c '. "$0/tools/lib.sh"; . "$0/tools/lab/namespaces.sh"; lab_sweep_after "$@"' \
    "$ROOT" $$ "$LAB_DIR" >/dev/null 2>&1 </dev/null &
  LAB_SWEEPER=$!
  trap lab_end EXIT
  end_on_signals
}

lab_ns() {
  local name
  for name in "$@"; do
    ip netns add "$LAB-$name"
    LAB_NAMESPACES+=("$name")
    ip -n "$LAB-$name" link set lo up
    # No router solicitations and the like on the wire: what crosses is what a test sent.
    lab_in "$name" sysctl -qw net.ipv6.conf.default.disable_ipv6=1 net.ipv6.conf.all.disable_ipv6=1
  done
}

# Checksums are filled in and segments are cut before a frame leaves: a forwarder must see what a
# wire would carry. Software segmentation (gso) stays: it cuts before the frame leaves.
lab_offloads_off() {
  local feature
  for feature in tx tso tx-udp-segmentation; do
    lab_in "$1" ethtool -K "$2" "$feature" off >/dev/null 2>&1 || true
  done
}

lab_veth() {
  local left_ns=$1 left=$2 right_ns=$3 right=$4 mtu=${5:-1500}
  ip link add "$left" netns "$LAB-$left_ns" mtu "$mtu" type veth \
    peer name "$right" netns "$LAB-$right_ns" mtu "$mtu"
  local ns_if
  for ns_if in "$left_ns $left" "$right_ns $right"; do
    # shellcheck disable=SC2086
    lab_offloads_off $ns_if
    ip -n "$LAB-${ns_if% *}" link set "${ns_if#* }" up
  done
}

lab_in() {
  local name=$1
  shift
  ip netns exec "$LAB-$name" "$@"
}

lab_spawn() {
  local name=$1 log=$2
  shift 2
  # A session of its own: Ctrl-C ends the script, and the script ends this in its own order.
  setsid ip netns exec "$LAB-$name" "$@" >"$log" 2>&1 </dev/null &
  LAB_PID=$!
  LAB_PIDS+=("$LAB_PID")
}

lab_stop() {
  local pid=$1 i
  kill -TERM "$pid" 2>/dev/null || return 0
  for ((i = 0; i < 100; i++)); do
    kill -0 "$pid" 2>/dev/null || break
    sleep 0.05
  done
  kill -KILL "$pid" 2>/dev/null || true
  wait "$pid" 2>/dev/null || true
}

lab_at_exit() { LAB_AT_EXIT+=("$1"); }

lab_wait_for() {
  local deadline=$((SECONDS + $1))
  shift
  until "$@" >/dev/null 2>&1; do
    [ "$SECONDS" -lt "$deadline" ] || return 1
    sleep 0.1
  done
}

lab_mac() { lab_in "$1" cat "/sys/class/net/$2/address"; }

# Huge pages are allowed, not reserved: the kernel makes them when somebody asks. The first user
# notes what was allowed before; the last one that leaves puts that back.
LAB_PAGES_FILE=/run/culvert-huge-pages
LAB_PAGES_SETTING=/proc/sys/vm/nr_overcommit_hugepages

lab_huge_pages() {
  local wanted=$1 before
  [ -w "$LAB_PAGES_SETTING" ] || return 0
  lab_at_exit lab_huge_pages_release
  (
    flock 9
    before=$(cat "$LAB_PAGES_SETTING")
    [ -s "$LAB_PAGES_FILE" ] || echo "before $before" >"$LAB_PAGES_FILE"
    echo "user $$" >>"$LAB_PAGES_FILE"
    [ "$before" -ge "$wanted" ] || echo "$wanted" >"$LAB_PAGES_SETTING"
  ) 9>>"$LAB_PAGES_FILE"
}

lab_has_huge_pages() { [ "$(cat "$LAB_PAGES_SETTING" 2>/dev/null || echo 0)" -gt 0 ]; }

lab_huge_pages_release() {
  (
    flock 9
    local word value before="" users=""
    while read -r word value; do
      if [ "$word" = before ]; then
        before=$value
      elif [ "$value" != $$ ] && kill -0 "$value" 2>/dev/null; then
        users+="user $value"$'\n'
      fi
    done <"$LAB_PAGES_FILE"
    if [ -n "$users" ]; then
      printf 'before %s\n%s' "$before" "$users" >"$LAB_PAGES_FILE"
    else
      echo "$before" >"$LAB_PAGES_SETTING"
      : >"$LAB_PAGES_FILE"
    fi
  ) 9>>"$LAB_PAGES_FILE"
}

# In a session of its own: takes away what the script with this pid left behind.
lab_sweep_after() {
  local script=$1 name pid
  while kill -0 "$script" 2>/dev/null; do sleep 0.2; done
  for name in $(ip netns list | sed -n "s/^\(cv$script-[^ ]*\).*/\1/p"); do
    for pid in $(ip netns pids "$name"); do lab_stop "$pid"; done
    ip netns del "$name"
  done
  rm -rf "$2"
  grep -qx "user $script" "$LAB_PAGES_FILE" && lab_huge_pages_release
}

lab_end() {
  local status=$? command pid name
  trap '' INT TERM HUP
  trap - EXIT
  set +e
  for command in "${LAB_AT_EXIT[@]}"; do eval "$command"; done
  for pid in "${LAB_PIDS[@]}"; do lab_stop "$pid"; done
  for name in "${LAB_NAMESPACES[@]}"; do
    # What a stopped command left behind in a namespace of ours is ours too.
    for pid in $(ip netns pids "$LAB-$name" 2>/dev/null); do kill -KILL "$pid" 2>/dev/null; done
    ip netns del "$LAB-$name" 2>/dev/null
  done
  rm -rf "$LAB_DIR"
  kill "$LAB_SWEEPER"
  exit "$status"
}
