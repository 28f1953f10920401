# SPDX-License-Identifier: BSD-3-Clause
"""Compares one run of `culvert replay` with what the case says. Returns faults, one line each."""

from collections import Counter

from sa import ESP_BYTES
from scapy.layers.ipsec import ESP, IPSecIntegrityError
from scapy.layers.l2 import Dot1Q, Ether
from scapy.packet import raw
from transforms import Forged

ENDS = ("sent", "punted", "merged", "held")
BEGINNINGS = ("received", "from_linux", "originated", "split")


def faults_of(lab, run):
    """`run` has counters (the JSON), sent {port: frames} and punted [frame]."""
    faults = []
    faults += balance_faults(lab, run.counters)
    faults += drop_faults("drops", lab.dropped, run.counters["drops"])
    for port in run.sent:
        faults += frame_faults(f"{port} sent", lab, lab.sent.get(port, []), run.sent[port])
        counted = run.counters["ports"][port]["tx_packets"]
        if counted != len(run.sent[port]):
            faults.append(f"{port}: counted {counted} frames sent, wrote {len(run.sent[port])}")
    faults += frame_faults("punted", lab, lab.punted, run.punted)
    faults += sa_faults(lab, run.counters["sas"])
    return faults


def balance_faults(lab, counters):
    begun = sum(counters[name] for name in BEGINNINGS)
    ended = sum(counters[name] for name in ENDS) + sum(counters["drops"].values())
    if begun != ended:
        yield f"balance: {begun} packets began, {ended} ended: {counters}"
    wanted = {"received": len(lab.received), "originated": lab.originated, "from_linux": 0,
              "split": lab.split, "merged": lab.merged, "held": 0, "punted": len(lab.punted),
              "sent": sum(len(frames) for frames in lab.sent.values())}
    for name, count in wanted.items():
        if counters[name] != count:
            yield f"{name}: {counters[name]}, must be {count}"


def drop_faults(place, wanted, seen):
    for reason in sorted({*wanted, *seen}):
        if wanted.get(reason, 0) != seen.get(reason, 0):
            yield f"{place}: {reason} {seen.get(reason, 0)}, must be {wanted.get(reason, 0)}"


def sa_faults(lab, sas):
    by_spi = {int(sa["spi"], 16): sa for sa in sas}
    for spi, sa in by_spi.items():
        place = f"SA {spi:#x}"
        yield from drop_faults(place, lab.dropped_by_sa.get(spi, {}), sa["drops"])
        seen = (sa["packets"], sa["bytes"])
        if seen != lab.carried.get(spi, (0, 0)):
            yield f"{place}: packets and bytes {seen}, must be {lab.carried.get(spi, (0, 0))}"
        if spi in lab.tops and sa["replay"]["top"] != lab.tops[spi]:
            yield f"{place}: stands at {sa['replay']['top']}, must be {lab.tops[spi]}"
        if spi in lab.bitmaps and int(sa["replay"]["bitmap"], 16) != lab.bitmaps[spi]:
            yield f"{place}: window {sa['replay']['bitmap']}, must be {lab.bitmaps[spi]:x}"
    for spi in {*lab.carried, *lab.dropped_by_sa, *lab.tops} - by_spi.keys():
        yield f"SA {spi:#x}: not there"


def frame_faults(place, lab, wanted, seen):
    for i, (want, have) in enumerate(zip(wanted, seen)):
        if want != have and without_iv(lab, want) != without_iv(lab, have):
            yield (f"{place}: frame {i}: {description(lab, have)}\n      {have.hex()}"
                   f"\n    must be {description(lab, want)}\n      {want.hex()}")
    for name, frames in (("is missing", wanted[len(seen):]), ("is too many", seen[len(wanted):])):
        for frame in frames:
            yield f"{place}: {description(lab, frame)} {name}"
    for frame in seen:
        yield from seal_faults(place, lab, frame)
    ivs = Counter(iv for iv in (iv_of(lab, frame) for frame in seen) if iv is not None)
    for (spi, iv), count in ivs.items():
        if count > 1 and place != "punted":
            yield f"{place}: SA {spi:#x} sealed {count} packets with the IV {iv.hex()}"


def ip_in(frame):
    """The IP packet behind the Ethernet header and a VLAN tag, if there is one."""
    ether = Ether(frame)
    return ether[Dot1Q].payload if Dot1Q in ether else ether.payload


def sealed_part(lab, frame):
    """The SA of an ESP packet that this gateway has sealed, and the packet from its SPI on."""
    ether = Ether(frame)
    if ESP not in ether:
        return None, None
    sa = lab.all_sas().get(ether[ESP].spi)
    if sa is None or sa.src != ip_in(frame).src:
        return None, None
    return sa, raw(ether[ESP])


def iv_of(lab, frame):
    sa, esp = sealed_part(lab, frame)
    if sa is None or sa.transform.iv_bytes == 0:
        return None
    return sa.spi, esp[ESP_BYTES:ESP_BYTES + sa.transform.iv_bytes]


def without_iv(lab, frame):
    """What a frame says, all but its IV where that is left to the sender: everything in front of
    it, and the clear part. IVs of 2^32 and more sequence numbers are not for this."""
    sa, esp = sealed_part(lab, frame)
    if sa is None or sa.transform.is_iv_the_sequence:
        return frame
    try:
        return frame[:len(frame) - len(esp) + ESP_BYTES], sa.open_payload(esp)
    except Forged:
        return frame


def seal_faults(place, lab, frame):
    """Everything sealed that leaves must open at the other end, whatever the case says of it."""
    sa, esp = sealed_part(lab, frame)
    if sa is None or place == "punted" or is_fragment(frame):
        return
    seq_high = 0
    if sa.transform.is_iv_the_sequence:
        seq_high = int.from_bytes(esp[8:12], "big")
        if esp[4:8] != esp[12:16]:
            yield f"{place}: IV {esp[8:16].hex()} with sequence number {esp[4:8].hex()}"
    try:
        sa.open(bytes(ip_in(frame)), seq_high)
    except IPSecIntegrityError:
        yield f"{place}: {description(lab, frame)} does not open"


def is_fragment(frame):
    ip = ip_in(frame)
    return ip.version == 4 and bool(ip.frag or ip.flags.MF)


def description(lab, frame):
    if len(frame) < 14:
        return f"{len(frame)} bytes"
    ether = Ether(frame)
    text = ether.summary()
    if ESP in ether:
        text += f" spi {ether[ESP].spi:#x} seq {ether[ESP].seq}"
    return f"{len(frame)} bytes, {text}"
