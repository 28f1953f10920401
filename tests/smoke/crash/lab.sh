# SPDX-License-Identifier: BSD-3-Clause
# shellcheck shell=bash
#
# Two gateways, packets that flow both ways through $CHANGING tunnels that a key manager changes and
# $SILENT that are to stay as they are, an attacker who sends old packets again, and captures of all
# that leaves the gateways. Sourced behind smoke.sh.
#
#   crash_lab_up           all of it; the attacker begins when the silent tunnels are silent
#   crash_lab_run ARG...   kills.py with these arguments
#   crash_lab_judge        ends the traffic and looks at what crossed

CRASH=$(dirname "${BASH_SOURCE[0]}")
CHANGING=6
SILENT=4
RATE=2000  # packets a second that are sent

crash_lab_up() {
  check "the judge of captures finds what is wrong" python3 "$CRASH/wire.py" --self-test
  [ "$SMOKE_FAILURES" -eq 0 ] || exit 1
  lab_huge_pages 1024
  make_sites
  hosts=()
  for ((i = 0; i < CHANGING; i++)); do hosts+=("10.3.$i.2"); done
  for ((i = 0; i < SILENT; i++)); do hosts+=("10.4.$i.2"); done
  for host in "${hosts[@]}"; do ip -n "$LAB-host-b" address add "$host/32" dev lo; done

  key_ab=$(random_key)
  key_ba=$(random_key)
  KEYS="$LAB_DIR/keys"
  (umask 077 && printf '1001 %s\n1002 %s\n' "$key_ab" "$key_ba" >"$KEYS")
  for site in a b; do
    write_batch "$LAB_DIR/$site.xfrm" $site "$key_ab" "$key_ba"
    write_config "$LAB_DIR/$site.toml" $site "$site.xfrm"
    # Gateway B keeps every SA it was ever given.
    sed -i 's|^max_sas = .*|max_sas = 65536|' "$LAB_DIR/$site.toml"
    for net in 10.3.0.0/16 10.4.0.0/16; do
      via='via = "192.0.2.2"' port=wan
      [ $site = b ] && via='via = "10.2.0.2"' port=lan
      printf '\n[[route]]\nprefix = "%s"\n%s\nport = "%s"\n' "$net" "$via" "$port" \
        >>"$LAB_DIR/$site.toml"
    done
    mkdir -p "$LAB_DIR/$site.toml.state"
    gateway_up $site
  done
  # Would the kernel forward, were it asked? It must not matter.
  lab_in gw-a sysctl -qw net.ipv4.ip_forward=1

  for site in a b; do
    lab_spawn internet "$LAB_DIR/tcpdump-$site" tcpdump -Z root -ni "${site}0" -Q in -B 65536 -s 0 \
      -w "$LAB_DIR/wire-$site.pcap"
    printf -v "capture_$site" %s "$LAB_PID"
    lab_wait_for 5 grep -q "listening on" "$LAB_DIR/tcpdump-$site" || die "tcpdump did not start"
  done
  lab_spawn internet "$LAB_DIR/replayer" python3 "$CRASH/replayer.py" 200 \
    "$LAB_DIR/figures.silence" a0 b0
  replayer=$LAB_PID
  lab_spawn host-b "$LAB_DIR/echo" python3 "$CRASH/load.py" echo "$LAB_DIR/figures-b" \
    "$HOST_B" "${hosts[@]}"
  lab_spawn host-a "$LAB_DIR/send" python3 "$CRASH/load.py" send "$LAB_DIR/figures" "$RATE" \
    $((1 + CHANGING)) "$HOST_B" "${hosts[@]}"
  sender=$LAB_PID
  lab_wait_for 10 test -e "$LAB_DIR/figures" || die "the load did not start"
}

crash_lab_run() {
  culvert exec --instance "$LAB-a" -- python3 "$CRASH/kills.py" "$@" \
    --a "/run/culvert/$LAB-a/xfrm.sock" --b "/run/culvert/$LAB-b/xfrm.sock" \
    --culvert "$CULVERT" --instance "$LAB-a" --supervisor "${GATEWAY_PID_a:?}" \
    --keys "$KEYS" --figures "$LAB_DIR/figures" --restarts "$LAB_DIR/restarts" \
    --changing "$CHANGING" --silent "$SILENT"
}

crash_lab_drops() {
  culvert show drops --instance "$LAB-$1" --json |
    jq "[.drops[] | select(.name == \"$2\").packets] | add // 0"
}

crash_lab_again() {
  python3 -c '
import sys
sys.path.insert(0, sys.argv[1])
import load
figures = [load.open_figures(path) for path in sys.argv[2:]]
print(sum(load.read(each, flow)[2]
          for each in figures for flow in range(len(each) // load.RECORD.size)))' \
    "$CRASH" "$LAB_DIR/figures" "$LAB_DIR/figures-b"
}

crash_lab_judged() {
  python3 "$CRASH/wire.py" --restarts "$LAB_DIR/restarts" "$KEYS" "$LAB_DIR/wire-a.pcap" \
    "$LAB_DIR/wire-b.pcap"
}

crash_lab_judge() {
  lab_stop "$replayer"
  lab_stop "$sender"
  sleep 0.5
  check "gateway B is in balance" balanced b
  check "gateway A was sent old packets, and refused them" \
    [ $(($(crash_lab_drops a esp_in_replay) + $(crash_lab_drops a esp_in_too_old))) -gt 0 ]
  gateway_down a
  gateway_down b
  for site in a b; do
    pid="capture_$site"
    lab_stop "${!pid}"
    check "the capture at gateway ${site^} is complete" \
      grep -q "^0 packets dropped by kernel" "$LAB_DIR/tcpdump-$site"
  done
  check "no host was given a packet twice" equals "$(crash_lab_again)" 0
  check "nothing crossed but ESP, under its SA's key, each number once" crash_lab_judged
  cat "$LAB_DIR/check"
}
