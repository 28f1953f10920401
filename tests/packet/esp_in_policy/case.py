# SPDX-License-Identifier: BSD-3-Clause
"""An SA of ours is not enough: an inbound policy must let it carry the packet (RFC 4301 5.2)."""
from lab import *

OTHER_REQID = 0x2002


def packets(lab):
    for seq, inner in enumerate((
        incoming(src="10.9.0.5"),       # no policy
        incoming(dst="10.3.0.5"),
        incoming(src="10.4.0.5"),       # the policy says bypass
        incoming(src="10.5.0.5"),       # the policy wants a template with another end
        incoming(src="10.6.0.5"),       # the policy says discard
        incoming(src="10.7.0.5"),       # the policy wants a template with another end of ours
        incoming(src="10.8.0.5"),       # transport mode
        incoming(src="10.10.0.5"),      # another SPI
        incoming(src="10.12.0.5"),      # the policy is for packets with a mark
        incoming(src="10.13.0.5"),      # for those of an XFRM interface
    ), 1):
        lab.receive("wan", lab.sa(IN).seal(inner, seq))
        lab.drops("esp_in_policy", sa=IN)
        lab.carries(IN, inner)
    inner = incoming(src="10.11.0.5")   # this very SPI
    lab.receive("wan", lab.sa(IN).seal(inner, 20))
    lab.opens(IN, inner)
    inner = incoming()
    lab.receive("wan", lab.sa(OTHER_REQID).seal(inner, 1))
    lab.drops("esp_in_policy", sa=OTHER_REQID)
    lab.carries(OTHER_REQID, inner)
