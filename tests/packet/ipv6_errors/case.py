# SPDX-License-Identifier: BSD-3-Clause
"""ICMPv6 errors: packet too big, never below 1280, and hop limit exceeded (RFC 4443 3.2, 3.3)."""
from lab import *
from scapy.layers.inet6 import ICMPv6EchoRequest, ICMPv6PacketTooBig, ICMPv6TimeExceeded

FITS = 1426


def packets(lab):
    big = outgoing6(bytes(FITS - 48 + 1))
    lab.receive("lan", big)
    lab.drops("esp_out_too_big", sa=0x1001)
    lab.originates()
    lab.sends("lan", icmpv6_error(LAN6, HOST6, ICMPv6PacketTooBig(mtu=FITS), hop(big)))
    late = outgoing6(hlim=1)
    lab.receive("lan", late)
    lab.drops("forward_ttl")
    lab.originates()
    lab.sends("lan", icmpv6_error(LAN6, HOST6, ICMPv6TimeExceeded(code=0), late))
    # About an error there is none, nor about what came from many.
    about = ICMPv6TimeExceeded() / raw(outgoing6())
    lab.receive("lan", IPv6(raw(IPv6(src=HOST6, dst=FAR6, hlim=1) / about)))
    lab.drops("forward_ttl")
    ping = IPv6(raw(IPv6(src=HOST6, dst=FAR6, hlim=1) / ICMPv6EchoRequest()))
    lab.receive("lan", ping)
    lab.drops("forward_ttl")
    lab.originates()
    lab.sends("lan", icmpv6_error(LAN6, HOST6, ICMPv6TimeExceeded(code=0), ping))
