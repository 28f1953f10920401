// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

namespace culvert {

struct Ipv6Chain;

// TCP behind a tunnel is told to send segments that fit into it, so that it need not find out by
// ICMP, which firewalls like to keep back. Only SYN segments speak of the maximum segment size.

// Lowers every MSS option (RFC 9293 3.7.1) of a SYN that is above `most_bytes` to that, and keeps
// the checksum right (RFC 1624). `segment` starts at the TCP header. True: something was lowered.
// A list of options that makes no sense is left alone from where it stops doing so.
bool clamp_mss(std::span<std::byte> segment, std::uint16_t most_bytes);

// The same for a packet that starts at its IP header, which was checked, and goes where packets of
// `mtu` bytes fit. Other packets than TCP's, and fragments but the first, are left alone. The MSS
// counts neither IP nor TCP options (RFC 9293 3.7.1): whoever sends them sends less.
bool clamp_mss_ipv4(std::span<std::byte> packet, std::uint32_t mtu);
bool clamp_mss_ipv6(std::span<std::byte> packet, const Ipv6Chain& chain, std::uint32_t mtu);

}  // namespace culvert
