# SPDX-License-Identifier: BSD-3-Clause
# shellcheck shell=bash
#
# Guests: User-Mode Linux, a whole kernel as a process, for what namespaces of this machine's kernel
# may lack (ESP above all). Sourced behind namespaces.sh; a guest lives in one of its namespaces
# and goes with it.
#
#   lab_guest NAME NS FOLDER IF...   starts a guest in NS, its vec0, vec1, ... on these interfaces,
#                                    which it takes as they are; FOLDER is tools/lab/guest_root's.
#                                    Returns when it takes commands; false if it does not.
#   lab_guest_run NAME COMMAND...    runs a shell command there; see guest_run
#   lab_guest_folder NAME            its exchange folder, /mnt to the guest
#   lab_guest_esp NAME [MODULE...]   loads all of ESP there, and those modules, and holds port 4500
#                                    for ESP in UDP; from then on no module is loaded by itself

lab_guest_folder() { echo "$LAB_DIR/guest-$1"; }

lab_guest_run() {
  local name=$1
  shift
  "$ROOT/tools/lab/guest_run" "$(lab_guest_folder "$name")" "$@"
}

lab_guest() {
  local name=$1 ns=$2 root exchange interface cpu count=0 devices=() word=""
  root=$(realpath "$3/root")
  shift 3
  exchange=$(lab_guest_folder "$name")
  mkdir -p "$exchange"
  mkfifo "$exchange/requests" "$exchange/answers"
  for interface in "$@"; do
    devices+=("vec$count:transport=raw,ifname=$interface,depth=64,gro=0,mtu=$(
      lab_in "$ns" cat "/sys/class/net/$interface/mtu"
    )")
    count=$((count + 1))
  done
  # Frames that one thread sends by veth arrive in order as long as it stays on one CPU.
  cpu=$(taskset -cp $$ | sed 's/.*[-, ]//')
  # Its memory is a file without a name; both ends of each pipe stay open, or it would see an end.
  lab_spawn "$ns" "$exchange/console" taskset -c "$cpu" "$root/usr/bin/linux.uml" mem=192M \
    umid="$name" uml_dir="$exchange/" rootfstype=hostfs rootflags="$root" ro init=/init quiet \
    con=null con0=null,fd:1 con1=fd:3,fd:4 ssl=null exchange="$exchange" "${devices[@]}" \
    3<>"$exchange/requests" 4<>"$exchange/answers"
  read -r -t 60 word 3<>"$exchange/answers" <&3
  [ "$word" = ready ] || {
    say "guest $name did not start"
    tail -n 30 "$exchange/console" >&2
    return 1
  }
}

lab_guest_esp() {
  local modules=(ipv6 xfrm_user esp4 esp6 authenc authencesn echainiv seqiv drbg
    cbc ccm chacha20poly1305 chacha_generic cmac ctr des_generic ecb gcm ghash-generic hmac
    poly1305_generic sha512_generic xcbc)
  # It would look for modules that are named like each pair of algorithms, which takes longer than
  # all the rest.
  lab_guest_run "$1" "busybox modprobe -a ${modules[*]} ${*:2} &&
    echo >/proc/sys/kernel/modprobe && udp_encap"
}
