# SPDX-License-Identifier: BSD-3-Clause
"""A guest of tools/lab between the two ends of its wires: frames go in, and what comes out of it is
told for each of them."""

import os
import select
import socket
import subprocess
import time

from lab import HOST, HOST6, NEIGHBOR_MAC, OUR_MAC, PEER, PEER6, WAN, WAN6
from scapy.layers.l2 import ARP, Ether
from scapy.packet import raw

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
WIRES = {"wan": "wire0", "lan": "wire1"}  # here; the guest's ends are vec0 and vec1
DEVICES = {"wan": "vec0", "lan": "vec1"}
ALL_PROTOCOLS, ARP_TYPE = 3, b"\x08\x06"
ANSWER_S = 20

# Where a gateway stands: by port its MAC, its addresses, and that of the neighbour with his.
GATEWAY_PLACE = {
    "wan": (OUR_MAC["wan"], (f"{WAN}/24", f"{WAN6}/64"), (PEER, PEER6), NEIGHBOR_MAC["wan"]),
    "lan": (OUR_MAC["lan"], ("10.1.0.1/24", "2001:db8:1::1/64"), (HOST, HOST6),
            NEIGHBOR_MAC["lan"]),
}
GATEWAY_ROUTES = {"wan": ("10.2.0.0/16", "10.3.0.0/16", "198.51.100.0/24", "198.51.101.0/24",
                          "2001:db8:2::/48")}
# Its peer, with the far hosts behind a router of theirs.
FAR_MAC, FAR_ROUTER_MAC = "02:00:00:00:03:01", "02:00:00:00:03:02"
PEER_PLACE = {
    "wan": (NEIGHBOR_MAC["wan"], (f"{PEER}/24", f"{PEER6}/64"), (WAN, WAN6), OUR_MAC["wan"]),
    "lan": (FAR_MAC, ("10.255.0.1/24", "2001:db8:ff::1/64"), ("10.255.0.2", "2001:db8:ff::2"),
            FAR_ROUTER_MAC),
}
PEER_ROUTES = {"wan": ("10.1.0.0/24", "2001:db8:1::/64"),
               "lan": ("10.2.0.0/16", "10.3.0.0/16", "2001:db8:2::/48")}

# The guest answers nothing. What it opened and kept leaves by the second port as a copy.
FILTER = """
*filter
:OUTPUT DROP
-A INPUT -m policy --dir in --pol ipsec -j TEE --gateway {router}
-A OUTPUT -o vec1 -j ACCEPT
-A OUTPUT -p esp -j ACCEPT
-A OUTPUT -p udp --sport 4500 -j ACCEPT
COMMIT
"""
LINK_LOCAL, UNSPECIFIED = b"\xfe\x80", bytes(16)


class Guest:
    """One that smoke/kernel_differential has started."""
    def __init__(self, exchange):
        self.exchange = exchange
        self.files = 0
        self.wires = {}
        for port, name in WIRES.items():
            wire = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(ALL_PROTOCOLS))
            wire.bind((name, 0))
            self.wires[port] = wire

    def run(self, script):
        """What it printed; raises RuntimeError with that if it fails."""
        ended = subprocess.run([os.path.join(ROOT, "tools", "lab", "guest_run"), self.exchange,
                                script], stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                               text=True, timeout=100, check=False)
        if ended.returncode != 0:
            raise RuntimeError(f"in the guest: {script[:200]}: {ended.stdout}")
        return ended.stdout

    def give(self, text):
        """A file of the guest's, by its name there. None has a name that another had."""
        self.files += 1
        name = f"file{self.files}"
        with open(os.path.join(self.exchange, name), "w", encoding="utf-8") as file:
            file.write(text)
        return f"/mnt/{name}"

    def stand_at(self, place, routes, own_addresses, batch):
        """In that place, with SAs and policies of `batch`."""
        self.place = place
        lines = ["xfrm state flush", "xfrm policy flush", "address flush dev lo scope global"]
        for device in DEVICES.values():
            lines += [f"link set {device} down", f"address flush dev {device} scope global"]
        for port, (mac, addresses, neighbours, neighbour_mac) in place.items():
            device = DEVICES[port]
            lines.append(f"link set {device} address {mac} mtu 1500 up")
            lines += [f"address add {address} dev {device}{' nodad' * (':' in address)}"
                      for address in addresses]
            lines += [f"neighbour replace {neighbour} lladdr {neighbour_mac} dev {device}"
                      for neighbour in neighbours]
            for prefix in routes.get(port, ()):
                via = neighbours[":" in prefix]
                lines.append(f"route add {prefix} via {via} dev {device}")
        lines += [f"address add {address} dev lo{' nodad' * (':' in address)}"
                  for address in own_addresses]
        router, router6 = place["lan"][2]
        rules = self.give(FILTER.format(router=router))
        rules6 = self.give(FILTER.format(router=router6))
        setup = self.give("\n".join(lines) + "\n" + batch)
        self.run(f"ip -batch {setup} && iptables-legacy-restore {rules} && "
                 f"ip6tables-legacy-restore {rules6}")
        for port in WIRES:
            self.read_until_answer(port)

    def read_until_answer(self, port):
        """Frames that came out by this port until the guest answered, which it does when it is
        through with all before."""
        mac, addresses, neighbours, neighbour_mac = self.place[port]
        own = addresses[0].split("/")[0]
        self.wires[port].send(raw(
            Ether(src=neighbour_mac, dst=mac)
            / ARP(op="who-has", hwsrc=neighbour_mac, psrc=neighbours[0], pdst=own)))
        frames, end = [], time.monotonic() + ANSWER_S
        while time.monotonic() < end:
            if not select.select([self.wires[port]], [], [], 1)[0]:
                continue
            frame = self.wires[port].recv(65536)
            if frame[12:14] == ARP_TYPE:
                return frames
            if not is_own(frame):
                frames.append(frame)
        raise RuntimeError(f"the guest does not answer at {port}")

    def carry(self, port, frame, wanted):
        """What comes out for one frame that goes in, as [(port, frame)]. Linux hands on what it
        opened in transport mode from a work queue, later than it answers: so many are awaited."""
        self.wires[port].send(frame)
        out, end = [], time.monotonic() + ANSWER_S
        while True:
            for other in (port, *(name for name in WIRES if name != port)):
                out += [(other, seen) for seen in self.read_until_answer(other)]
            if len(out) >= wanted or time.monotonic() > end:
                return out

    def drops(self):
        lines = self.run("cat /proc/net/xfrm_stat").splitlines()
        return {name: int(value) for name, value in (line.split() for line in lines)}


def is_own(frame):
    """Solicitations and reports of IPv6's own."""
    src = frame[22:38]
    return frame[14] >> 4 == 6 and (src[:2] == LINK_LOCAL or src == UNSPECIFIED)
