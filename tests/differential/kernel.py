#!/usr/bin/python3
# SPDX-License-Identifier: BSD-3-Clause
"""The packets of run.py through Linux' own ESP, in a guest, with the same `ip -batch` file.

kernel.py --culvert PROGRAM --guest EXCHANGE [--seed N] [--count PACKETS] [--pairs SAS]

1. The guest stands in culvert's place: what it makes of each packet, clear or sealed, whole or
   damaged, must be what linux_model.py says.
2. The guest stands in the peer's place and opens what `culvert replay` sealed.
3. `culvert replay` stands in the peer's place and opens what the guest sealed.
Every counter of Linux, of its SAs too, must be exact. In the end each of several seeded misses must
be found. smoke/kernel_differential has the guest and the wires.
"""

import argparse
import os
import re
import sys
import tempfile
from collections import Counter

sys.dont_write_bytecode = True

from run import Differential, load_runner, udp_sum  # noqa: E402 (it sets the path)
from guest import (FAR_MAC, GATEWAY_PLACE, GATEWAY_ROUTES, PEER_PLACE,  # noqa: E402
                   PEER_ROUTES, Guest)
from lab import DATAPLANE_MAC, ether_type  # noqa: E402
from linux_model import FORGED, SEEN, SHORT, TOO_OLD, TTL, LinuxModel, duplicated  # noqa: E402
from model import UDP, Model, summed, upper_place  # noqa: E402
from scapy.layers.l2 import Ether  # noqa: E402
from scapy.packet import raw  # noqa: E402
from traffic import MTU  # noqa: E402
from transforms import Forged  # noqa: E402

SHOWN_FAULTS = 20
PEER_CONFIG = """
[dataplane]
cores = [0]
max_sas = {max_sas}
mbufs = 4096

[esp]
allow = ["des-cbc", "no-integrity"]
replay_window = 0

[[port]]
name = "wan"
device = "wan0"
mac = "{wan_mac}"
addresses = [{wan_addresses}]
mtu = 1500

[[port]]
name = "lan"
device = "lan0"
mac = "{lan_mac}"
addresses = ["10.255.0.1/24", "2001:db8:ff::1/64"]
mtu = 1500
"""
ROUTE = '\n[[route]]\nprefix = "{}"\nvia = "{}"\nport = "{}"\n'
NEIGHBOR = '\n[[neighbor]]\naddress = "{}"\nmac = "{}"\nport = "{}"\n'


def with_forward_policies(batch):
    """Linux asks for them where culvert takes those of `in`."""
    return batch + "".join(line.replace(" dir in ", " dir fwd ")
                           for line in batch.splitlines(True) if " dir in " in line)


OTHER = {"dir out": "dir in", "dir in": "dir out", "replay-oseq": "replay-seq",
         "replay-seq": "replay-oseq", "4500 61004": "61004 4500", "61004 4500": "4500 61004"}


def turned(batch):
    """As the other end sees it, which has port 4500, too; see through_nat."""
    return re.sub(rf"\b({'|'.join(OTHER)})\b", lambda match: OTHER[match.group()], batch)


def through_nat(frame):
    """ESP in UDP from port 4500 to 61004, where the other end is seen, turns round. The checksum
    stays right."""
    at, protocol_at = upper_place(frame[14:])
    if frame[14 + protocol_at] != UDP:
        return frame
    at += 14
    return frame[:at] + frame[at + 2:at + 4] + frame[at:at + 2] + frame[at + 4:]


def hops_left(packet):
    return packet[7] if packet[0] >> 4 == 6 else packet[8]


def with_udp_sum(frame):
    """run.py's packets have any checksum there, which culvert does not look at and Linux does."""
    packet = frame[14:]
    at, protocol_at = upper_place(packet)
    if packet[protocol_at] != UDP:
        return frame
    zeroed = frame[:14 + at + 6] + b"\0\0" + frame[14 + at + 8:]
    if packet[0] >> 4 == 4:
        return zeroed
    probe = zeroed[:14 + at + 6] + b"\0\1" + zeroed[14 + at + 8:]
    # udp_sum wants a field that is not 0; one more in it is one less in the sum.
    total = (udp_sum(probe[14:], at + 16) + 1) % 0xFFFF or 0xFFFF
    return zeroed[:14 + at + 6] + total.to_bytes(2, "big") + zeroed[14 + at + 8:]


def frame_of(place, port, packet):
    mac, _, _, neighbour_mac = place[port]
    return raw(Ether(src=mac, dst=neighbour_mac, type=ether_type(packet)) / raw(packet))


class Part:
    """Frames through the guest in one place, and what should have come out of each."""
    def __init__(self, place, batch, sas):
        self.place, self.batch, self.sas = place, batch, sas
        self.model = LinuxModel(batch, MTU)
        self.results = []  # (port, frame, Outcome, [(port, frame)])

    def run(self, guest, routes, own_addresses, frames):
        guest.stand_at(self.place, routes, own_addresses, with_forward_policies(self.batch))
        before = guest.drops()
        allowed = os.sched_getaffinity(0)
        os.sched_setaffinity(0, {max(allowed)})  # or frames may overtake each other
        for port, frame in frames:
            outcome = self.model.receive(port, frame[14:])
            seen = guest.carry(port, frame, 1 if outcome.port else 0)
            self.results.append((port, frame, outcome, seen))
        os.sched_setaffinity(0, allowed)
        after = guest.drops()
        self.drops = {name: after[name] - before[name] for name in after}
        self.states = guest.run("ip -s xfrm state")

    def faults(self):
        for i, (port, frame, outcome, seen) in enumerate(self.results):
            fault = self.fault(outcome, seen)
            if fault:
                yield (f"packet {i}, SA {outcome.spi:#x}, {outcome.verdict or 'not counted'}: "
                       f"{fault}"
                       f"\n    in   {port} {frame.hex()}"
                       + "".join(f"\n    out  {at} {out.hex()}" for at, out in seen))
        yield from self.count_faults()

    def fault(self, outcome, seen):
        if not outcome.port:
            return "must be dropped" if seen else None
        if outcome.verdict == "opened":
            packet = duplicated(outcome.packet) if outcome.port == "punt" else outcome.packet
            want = frame_of(self.place, "lan", packet)
            return None if seen == [("lan", want)] else f"must be lan {want.hex()}"
        if [port for port, _ in seen] != ["wan"]:
            return "must be sealed"
        return self.sealed_fault(outcome, seen[0][1])

    def sealed_fault(self, outcome, frame):
        sa = self.sas[outcome.spi]
        at = len(outcome.front)
        if frame[:14] != frame_of(self.place, "wan", outcome.front)[:14]:
            return "another Ethernet header"
        want, front, esp = outcome.front, frame[14:14 + at], frame[14 + at - 8:]
        if sa.encap and sa.is_ipv6:
            if udp_sum(frame[14:], at) != 0:
                return "wrong UDP checksum"
            front = front[:at - 10] + b"\0\0" + front[at - 8:]
        if not sa.is_ipv6 and not sa.is_transport:
            if summed(front[:20]) != front[:20]:
                return "wrong header checksum"
            want, front = (part[:4] + b"\0\0" + part[6:10] + b"\0\0" + part[12:]
                           for part in (want, front))  # the identification is Linux' own
        if front != want:
            return f"headers must be {want.hex()}"
        try:
            clear = sa.transform.open(esp, outcome.seq >> 32, sa.esn)
        except Forged:
            return "wrong ICV"
        return None if clear == outcome.clear else f"clear part must be {outcome.clear.hex()}"

    def count_faults(self):
        for name, count in self.drops.items():
            if count != self.model.drops[name]:
                yield f"{name}: {count}, must be {self.model.drops[name]}"
        for spi, seen in states_of(self.states).items():
            want = (self.model.carried[spi, "bytes"], self.model.carried[spi],
                    *(self.model.stats[spi, name] for name in (TOO_OLD, SEEN, FORGED)))
            if seen != want:
                yield (f"SA {spi:#x} ({self.sas[spi].transform.name}): bytes, packets; dropped as "
                       f"too old, as seen, by ICV: {seen}, must be {want}")

    def judged(self, verdict):
        return Counter(self.sas[outcome.spi].transform.name
                       for _, _, outcome, _ in self.results if outcome.verdict == verdict)


def states_of(text):
    found = {}
    for state in re.split("^src ", text, flags=re.MULTILINE)[1:]:
        current = re.search(r"lifetime current:\s+(\d+)\(bytes\), (\d+)\(packets\)", state)
        stats = re.search(r"stats:\s+replay-window (\d+) replay (\d+) failed (\d+)", state)
        spi = int(re.search(r"spi (0x[0-9a-f]+)", state).group(1), 16)
        found[spi] = tuple(int(figure) for figure in (*current.groups(), *stats.groups()))
    return found


def peers_of(pairs):
    return [f"{pair.peer}/{32 if pair.outer == 4 else 128}" for pair in pairs if pair.is_transport]


def write_peer(differential, batch, frames):
    """differential.lab becomes that of the peer."""
    lab = differential.lab
    own = [f'"{address}"' for address in
           (*PEER_PLACE["wan"][1], *peers_of(differential.pairs))]
    lab.config = PEER_CONFIG.format(
        max_sas=4 * len(differential.pairs), wan_mac=PEER_PLACE["wan"][0], lan_mac=FAR_MAC,
        wan_addresses=", ".join(own))
    for port, prefixes in PEER_ROUTES.items():
        for prefix in prefixes:
            lab.config += ROUTE.format(prefix, PEER_PLACE[port][2][":" in prefix], port)
    for port, (_, _, neighbours, mac) in PEER_PLACE.items():
        for neighbour in neighbours:
            lab.config += NEIGHBOR.format(neighbour, mac, port)
    lab.xfrm, lab.received = batch, []
    for frame in frames:
        lab.receive_frame("wan", frame, 1)


def culvert_opens(differential, culvert, frames):
    """What `culvert replay` in the peer's place does not do with the guest's packets as it must."""
    batch = turned(differential.lab.xfrm)
    model = Model(batch, MTU)
    # Others end by their hop count, which is not what this is about.
    frames = [frame for frame in frames if hops_left(model.receive("wan", frame[14:]).packet) > 0]
    write_peer(differential, batch, frames)
    runner = load_runner()
    with tempfile.TemporaryDirectory() as folder:
        runner.write_inputs(differential.lab, folder)
        run = runner.replay(culvert, folder, 1, 1)
    model = Model(batch, MTU)
    want = {"lan": [], "punt": []}
    for i, frame in enumerate(frames):
        outcome = model.receive("wan", frame[14:])
        if outcome.verdict != "opened":
            yield f"frame {i} of the guest: {outcome.verdict}, says the model"
        elif outcome.port == "lan":
            want["lan"].append(frame_of(PEER_PLACE, "lan", outcome.packet))
        else:
            ether = Ether(src=DATAPLANE_MAC, dst=PEER_PLACE["wan"][0],
                          type=ether_type(outcome.packet))
            want["punt"].append(raw(ether / raw(outcome.packet)))
    for port, seen in (("lan", run.sent["lan"]), ("punt", run.punted)):
        if len(seen) != len(want[port]):
            yield f"culvert: {len(seen)} frames at {port}, must be {len(want[port])}"
        for have, must in zip(seen, want[port]):
            if have != must:
                yield f"culvert opens {have.hex()}\n    must be      {must.hex()}"
    if any(run.counters["drops"].values()):
        yield f"culvert drops the guest's packets: {run.counters['drops']}"


def self_test(part):
    """Each of these must be found, in results without faults."""
    def at(verdict):
        return next(i for i, result in enumerate(part.results) if result[2].verdict == verdict)

    def change(i, **fields):
        port, frame, outcome, seen = part.results[i]
        part.results[i] = (port, frame, fields.get("outcome", outcome), fields.get("seen", seen))

    def lost(verdict):
        change(at(verdict), seen=[])

    def another_byte(verdict):
        (port, frame), = part.results[at(verdict)][3]
        change(at(verdict), seen=[(port, frame[:-1] + bytes([frame[-1] ^ 1]))])

    def accepted():
        i = at("XfrmInStateProtoError")
        change(i, seen=[("lan", part.results[i][1])])

    def another_count():
        part.drops["XfrmInStateSeqError"] += 1

    def another_state():
        part.states = part.states.replace("failed 0", "failed 1", 1)

    for miss in (lambda: lost("sealed"), lambda: lost("opened"), lambda: another_byte("sealed"),
                 lambda: another_byte("opened"), accepted, another_count, another_state):
        kept = list(part.results), dict(part.drops), part.states
        miss()
        if not list(part.faults()):
            yield f"self-test: a seeded miss was not found: {miss.__name__}"
        part.results, part.drops, part.states = kept


def report(parts):
    """Says who judged what, and returns a line for each transform that Linux did not."""
    columns = {sa.transform.name: [0, 0, 0] for sa in parts[0].sas.values()}
    for i, counts in enumerate((parts[0].judged("sealed"), parts[0].judged("opened"),
                                parts[1].judged("opened"))):
        for name, count in counts.items():
            columns[name][i] = count
    print(f"{'by Linux':48} {'sealed':>7} {'opened':>7} {'opened of culvert':>17}")
    for name, (sealed, opened, of_culvert) in sorted(columns.items()):
        print(f"{name:48} {sealed:7} {opened:7} {of_culvert:17}")
    print(f"{len(columns)} transforms, {len(parts[0].sas)} SAs")
    verdicts = Counter(outcome.verdict or "not counted" for _, _, outcome, _ in parts[0].results)
    for verdict, count in verdicts.most_common():
        print(f"{count:8} {verdict}")
    return [f"Linux did not judge {name}" for name, counts in columns.items() if 0 in counts]


def main():
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--culvert", required=True, help="the program, built or installed")
    parser.add_argument("--guest", required=True, help="its exchange folder")
    parser.add_argument("--seed", type=int, default=4304)
    parser.add_argument("--count", type=int, default=4000, help="packets")
    parser.add_argument("--pairs", type=int, default=200, help="pairs of SAs")
    options = parser.parse_args()
    differential = Differential(options.seed, options.count, options.pairs)
    batch = differential.lab.xfrm
    with tempfile.TemporaryDirectory() as folder:
        sealed_by_culvert = differential.run(options.culvert, folder)[0].sent["wan"]
    guest = Guest(options.guest)
    gateway = Part(GATEWAY_PLACE, batch, differential.sas)
    gateway.run(guest, GATEWAY_ROUTES, (), [(port, with_udp_sum(frame) if port == "wan" else frame)
                                            for _, port, frame in differential.lab.received])
    peer = Part(PEER_PLACE, turned(batch), differential.sas)
    peer.run(guest, PEER_ROUTES, peers_of(differential.pairs),
             [("wan", through_nat(frame)) for frame in sealed_by_culvert])
    parts = (gateway, peer)
    faults = [fault for part in parts for fault in part.faults()]
    faults += [f"Linux does not open what culvert sealed: {outcome.verdict}"
               for _, _, outcome, _ in peer.results
               if outcome.verdict not in ("opened", SHORT, TTL)]
    from_linux = [through_nat(seen[0][1]) for _, _, outcome, seen in gateway.results
                  if outcome.verdict == "sealed" and seen]
    faults += culvert_opens(differential, options.culvert, from_linux)
    if not faults:
        faults += self_test(gateway)
    faults += report(parts)
    print(f"seed {options.seed}: {len(gateway.results)} packets, {len(peer.results)} that culvert "
          f"sealed for Linux, {len(from_linux)} that Linux sealed for culvert: {len(faults)} "
          "differences")
    print("\n".join(faults[:SHOWN_FAULTS]))
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())
