# SPDX-License-Identifier: BSD-3-Clause
# shellcheck shell=bash
#
# The demo's two sites, their gateways and the internet between them; sourced by tools/demo and by
# smoke tests that need the same picture. Needs lib.sh and lab/namespaces.sh.
#
#   make_sites          host-a, gw-a, internet, gw-b, host-b, joined by veth
#   plain_up/_down      the plain forwarder in both gateways' places
#   gateways_up         culvert in both, under the instance names $LAB-a and $LAB-b
#   gateway_down SITE   ends one
#   wire_*              what crosses the internet, by captures there

# shellcheck disable=SC2034
HOST_A=10.1.0.2
HOST_B=10.2.0.2
# 1500 - IPv4 20 - ESP 8 - IV 8 - ICV 16 = 1448, less pad length and next header (RFC 4303 2).
# shellcheck disable=SC2034
TUNNEL_MTU=1446
BUILD="${BUILD_DIR:-$ROOT/build}"

CULVERT="$BUILD/control/culvert"

culvert() { "$CULVERT" "$@"; }

make_sites() {
  lab_ns host-a gw-a internet gw-b host-b
  local site lan
  ip -n "$LAB-internet" link add internet type bridge mcast_snooping 0
  # A bridge hands every frame to netfilter where that is compiled in; the internet has no firewall.
  lab_in internet sysctl -qw net.bridge.bridge-nf-call-iptables=0 2>/dev/null
  ip -n "$LAB-internet" link set internet up
  for site in a b; do
    lab_veth "host-$site" eth0 "gw-$site" lan0
    lab_veth "gw-$site" wan0 internet "${site}0"
    ip -n "$LAB-internet" link set "${site}0" master internet
    [ $site = a ] && lan=10.1.0 || lan=10.2.0
    ip -n "$LAB-host-$site" address add "$lan.2/24" dev eth0
    ip -n "$LAB-host-$site" route add default via "$lan.1"
    # The hosts' own business, and it halves the work of a TCP receiver.
    lab_in "host-$site" ethtool -K eth0 gro on >/dev/null 2>&1
  done
}

iperf3_listens() { lab_in host-b ss -Hltn sport = :5201 | grep -q LISTEN; }

other_site() { [ "$1" = a ] && echo b || echo a; }

# The core of a site's gateway: the two share one where there is only one.
site_core() { [ "$1" = a ] && echo 0 || echo $((1 % $(nproc))); }

plain_up() {
  local site log lan eal=(--iova-mode=va --no-pci --no-telemetry)
  if lab_has_huge_pages; then eal+=(--in-memory); else eal+=(--no-huge --no-shconf -m 256); fi
  PLAIN_PIDS=()
  for site in a b; do
    log="$LAB_DIR/plain-$site"
    [ $site = a ] && lan=10.1.0 || lan=10.2.0
    ip -n "$LAB-host-$site" neigh replace "$lan.1" dev eth0 lladdr "$(lab_mac "gw-$site" lan0)"
    lab_spawn "gw-$site" "$log" "$BUILD/bench/plain_forward" -l "$(site_core $site)" \
      "${eal[@]}" \
      --vdev=net_af_xdp0,iface=lan0,busy_budget=0 --vdev=net_af_xdp1,iface=wan0,busy_budget=0 \
      -- --next-mac "0=$(lab_mac "host-$site" eth0)" \
      --next-mac "1=$(lab_mac "gw-$(other_site $site)" wan0)"
    PLAIN_PIDS+=("$LAB_PID")
    lab_wait_for 10 grep -q "plain_forward: ready" "$log" || {
      cat "$log"
      die "the plain forwarder did not start"
    }
  done
}

plain_down() {
  local pid
  for pid in "${PLAIN_PIDS[@]}"; do lab_stop "$pid"; done
  ip -n "$LAB-host-a" neigh del 10.1.0.1 dev eth0
  ip -n "$LAB-host-b" neigh del 10.2.0.1 dev eth0
}

# 128 bits of key and 32 of salt (RFC 4106 8.1), in hex.
random_key() { od -An -v -N20 -tx1 /dev/urandom | tr -d ' \n'; }

# State and policies of one site, as `ip -batch` takes them: write_batch FILE SITE KEY_AB KEY_BA
write_batch() {
  local file=$1 site=$2 here=192.0.2.1 there=192.0.2.2 lan=10.1.0.0/24 far_lan=10.2.0.0/24
  local sa="proto esp reqid 1 mode tunnel replay-window 1024 flag esn aead rfc4106(gcm(aes))"
  (umask 077 && : >"$file")
  {
    echo "xfrm state add src $here dst $there spi 0x00001001 $sa 0x$3 128"
    echo "xfrm state add src $there dst $here spi 0x00001002 $sa 0x$4 128"
  } >>"$file"
  if [ "$site" = b ]; then
    here=192.0.2.2 there=192.0.2.1 lan=10.2.0.0/24 far_lan=10.1.0.0/24
  fi
  local inbound="src $far_lan dst $lan tmpl src $there dst $here proto esp reqid 1 mode tunnel"
  {
    echo "xfrm policy add dir out src $lan dst $far_lan" \
      "tmpl src $here dst $there proto esp reqid 1 mode tunnel"
    echo "xfrm policy add dir in $inbound"
    echo "xfrm policy add dir fwd $inbound"
  } >>"$file"
}

# The configuration of one site's gateway: write_config FILE SITE BATCH
write_config() {
  local file=$1 site=$2 wan=192.0.2.1 lan=10.1.0.1 far_lan=10.2.0.0/24 far_wan=192.0.2.2
  if [ "$site" = b ]; then
    wan=192.0.2.2 lan=10.2.0.1 far_lan=10.1.0.0/24 far_wan=192.0.2.1
  fi
  cat >"$file" <<TEXT
[dataplane]
cores = [$(site_core "$site")]
max_sas = 1024

[[port]]
name = "lan"
device = "lan0"
addresses = ["$lan/24"]

[[port]]
name = "wan"
device = "wan0"
addresses = ["$wan/24"]

[[route]]
prefix = "$far_lan"
via = "$far_wan"
port = "wan"

[xfrm]
batch = ["$3"]

[control]
state_dir = "$file.state"
TEXT
}

gateway_up() {
  local site=$1 log="$LAB_DIR/gateway-$1"
  lab_spawn "gw-$site" "$log" "$CULVERT" up -c "$LAB_DIR/$site.toml" --instance "$LAB-$site"
  printf -v "GATEWAY_PID_$site" %s "$LAB_PID"
  lab_wait_for 30 grep -q "instance $LAB-$site forwards" "$log" || {
    cat "$log"
    die "gateway $site did not start"
  }
  # Linux lets a bridge know of a cable plugged in up to a second later, and so a host.
  lab_wait_for 10 wire_is_up "$site" || die "no link at gateway $site's ports"
}

wire_is_up() {
  ip -n "$LAB-internet" -d link show "${1}0" | grep -q "state forwarding" &&
    ip -n "$LAB-host-$1" link show eth0 | grep -q "state UP" &&
    ip -n "$LAB-gw-$1" link show wan | grep -q "state UP"
}

gateways_up() {
  local site key_ab key_ba
  key_ab=$(random_key)
  key_ba=$(random_key)
  for site in a b; do
    write_batch "$LAB_DIR/$site.xfrm" $site "$key_ab" "$key_ba"
    write_config "$LAB_DIR/$site.toml" $site "$site.xfrm"
    mkdir -p "$LAB_DIR/$site.toml.state"
    gateway_up $site
  done
}

gateway_down() {
  local pid="GATEWAY_PID_$1"
  culvert down --instance "$LAB-$1"
  lab_stop "${!pid}"
}

# Two captures on the internet's ports, of what comes out of each gateway: everything that is
# neither ESP nor ESP in UDP, all the time; and any ESP, as a sample, until wire_sample_stop.
wire_capture_start() {
  local site
  WIRE_PIDS=()
  for site in a b; do
    lab_spawn internet "$LAB_DIR/tcpdump-$site" tcpdump -Z root -ni "${site}0" -Q in -U \
      -w "$LAB_DIR/wire-$site.pcap" "not esp and not udp port 4500"
    WIRE_PIDS+=("$LAB_PID")
  done
  lab_spawn internet "$LAB_DIR/tcpdump-sample" tcpdump -Z root -ni a0 -U \
    -w "$LAB_DIR/sample.pcap" esp
  WIRE_SAMPLE_PID=$LAB_PID
  for site in a b sample; do
    lab_wait_for 5 grep -q "listening on" "$LAB_DIR/tcpdump-$site" || die "tcpdump did not start"
  done
  WIRE_FRAMES_BEFORE=$(wire_counters)
}

# Frames that both gateways sent to the internet, since the namespace was made.
wire_counters() {
  lab_in internet cat /sys/class/net/{a,b}0/statistics/rx_packets |
    awk '{sum += $1} END {print sum}'
}

wire_frames() { echo $(($(wire_counters) - WIRE_FRAMES_BEFORE)); }

wire_sample_stop() { lab_stop "$WIRE_SAMPLE_PID"; }

# Leaves wire-a.pcap and wire-b.pcap complete; false when the kernel lost some of it.
wire_capture_stop() {
  local pid
  for pid in "${WIRE_PIDS[@]}"; do lab_stop "$pid"; done
  ! grep -h "packets dropped by kernel" "$LAB_DIR"/tcpdump-[ab] | grep -qv "^0 "
}

# How many captured frames match a filter (none: all of them), and what they are.
wire_other() {
  local site
  for site in a b; do tcpdump -nr "$LAB_DIR/wire-$site.pcap" "$@" 2>/dev/null; done
}
