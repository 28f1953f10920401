// SPDX-License-Identifier: BSD-3-Clause
#include "dataplane/mss_clamp.h"

#include <algorithm>

#include "dataplane/net/checksum.h"
#include "dataplane/net/ipv6_parse.h"
#include "dataplane/net/tcp.h"

namespace culvert {
namespace {

// RFC 9293 3.1, kinds of options.
constexpr std::uint8_t kEndOfOptions = 0;
constexpr std::uint8_t kNoOperation = 1;
constexpr std::uint8_t kMaximumSegmentSize = 2;
constexpr std::size_t kMssOptionBytes = 4;

// A word as the sum over 16-bit words sees it when it begins at an odd offset (RFC 1071 2 B).
Be16 swapped(Be16 word) {
  return Be16{byte_swap(word.host())};
}

bool lower(std::span<std::byte> segment, std::size_t offset, std::uint16_t most_bytes) {
  Be16& mss = *mutable_header_at<Be16>(segment, offset);
  if (mss.host() <= most_bytes) return false;
  auto& tcp = *mutable_header_at<TcpHeader>(segment, 0);
  const Be16 lowered{most_bytes};
  tcp.checksum = offset % 2 == 0 ? update_checksum(tcp.checksum, mss, lowered)
                                 : update_checksum(tcp.checksum, swapped(mss), swapped(lowered));
  mss = lowered;
  return true;
}

bool clamp_to_fit(std::span<std::byte> segment, std::uint32_t mtu, std::size_t ip_bytes) {
  const std::size_t headers = ip_bytes + sizeof(TcpHeader);
  if (mtu <= headers) return false;
  return clamp_mss(segment,
                   static_cast<std::uint16_t>(std::min<std::size_t>(mtu - headers, 65535)));
}

}  // namespace

bool clamp_mss(std::span<std::byte> segment, std::uint16_t most_bytes) {
  const auto* tcp = header_at<TcpHeader>(segment, 0);
  if (tcp == nullptr || !tcp->is_syn()) return false;
  const std::size_t header_bytes = tcp->header_length_bytes();
  if (header_bytes > segment.size()) return false;
  bool was_lowered = false;
  for (std::size_t at = sizeof(TcpHeader); at < header_bytes;) {
    const auto kind = std::to_integer<std::uint8_t>(segment[at]);
    if (kind == kEndOfOptions) break;
    if (kind == kNoOperation) {
      ++at;
      continue;
    }
    if (header_bytes - at < 2) break;
    const auto length = std::to_integer<std::size_t>(segment[at + 1]);
    if (length < 2 || length > header_bytes - at) break;
    if (kind == kMaximumSegmentSize && length == kMssOptionBytes) {
      was_lowered |= lower(segment, at + 2, most_bytes);
    }
    at += length;
  }
  return was_lowered;
}

bool clamp_mss_ipv4(std::span<std::byte> packet, std::uint32_t mtu) {
  const auto& ip = *header_at<Ipv4Header>(packet, 0);
  if (ip.protocol != IpProtocol::tcp || ip.fragment_offset_bytes() != 0) return false;
  return clamp_to_fit(packet.subspan(ip.header_length_bytes()), mtu, sizeof(Ipv4Header));
}

bool clamp_mss_ipv6(std::span<std::byte> packet, const Ipv6Chain& chain, std::uint32_t mtu) {
  if (chain.end != Ipv6ChainEnd::upper_layer || chain.protocol != IpProtocol::tcp ||
      chain.fragment_offset_bytes != 0) {
    return false;
  }
  return clamp_to_fit(packet.subspan(chain.payload_offset), mtu, sizeof(Ipv6Header));
}

}  // namespace culvert
