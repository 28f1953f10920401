// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <array>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>

#include "dataplane/net/be.h"
#include "dataplane/net/ip.h"

namespace culvert {

// The one's complement sum of RFC 1071. It adds 32-bit words as they lie in memory and puts the
// result right once at the end: the sum does not depend on the byte order (RFC 1071 2 B), nor on
// the width of the words (RFC 1071 2 C).
class InternetSum {
 public:
  constexpr InternetSum() = default;
  // Goes on from the checksum of what was summed before.
  constexpr explicit InternetSum(Be16 checksum)
      : sum_(static_cast<std::uint16_t>(~std::bit_cast<std::uint16_t>(checksum))) {}

  constexpr void add(Be16 word) { sum_ += std::bit_cast<std::uint16_t>(word); }
  constexpr void add(Be32 word) { sum_ += std::bit_cast<std::uint32_t>(word); }
  constexpr void add(const Ipv4Header& header) {
    for (const auto word : std::bit_cast<std::array<std::uint32_t, 5>>(header)) sum_ += word;
  }
  constexpr void add(const Ipv6Address& address) {
    for (const auto word : std::bit_cast<std::array<std::uint32_t, 4>>(address)) sum_ += word;
  }

  // Only the last bytes added may be odd in number; they count as followed by a zero byte.
  void add(std::span<const std::byte> bytes) {
    std::size_t at = 0;
    for (; bytes.size() - at >= sizeof(std::uint32_t); at += sizeof(std::uint32_t)) {
      std::uint32_t word;
      std::memcpy(&word, bytes.data() + at, sizeof(word));
      sum_ += word;
    }
    std::uint32_t rest = 0;
    if (at < bytes.size()) std::memcpy(&rest, bytes.data() + at, bytes.size() - at);
    sum_ += rest;
  }

  // The complement of the sum: what goes into a checksum field that was 0 while summing.
  // Over data that includes its right checksum it is 0.
  [[nodiscard]] constexpr Be16 checksum() const {
    auto folded = static_cast<std::uint32_t>(sum_);
    const auto high = static_cast<std::uint32_t>(sum_ >> 32);
    folded += high;
    folded += folded < high ? 1 : 0;
    folded += std::rotl(folded, 16);  // the upper half is both halves and their carry
    return std::bit_cast<Be16>(static_cast<std::uint16_t>(~folded >> 16));
  }

  // Whether checksum() is 0; the sum of all-zero data is not right.
  [[nodiscard]] constexpr bool is_right() const { return sum_ % 0xffff == 0 && sum_ != 0; }

 private:
  std::uint64_t sum_ = 0;  // of words in wire order; 2^32 of them fit
};

// The checksum of ICMP (RFC 792), or of any bytes.
[[nodiscard]] inline Be16 internet_checksum(std::span<const std::byte> bytes) {
  InternetSum sum;
  sum.add(bytes);
  return sum.checksum();
}

// The header checksum of a header without options (RFC 791 3.1). The field counts as it stands: 0
// to compute a checksum, and a right one makes the result 0.
[[nodiscard]] constexpr Be16 ipv4_header_checksum(const Ipv4Header& header) {
  InternetSum sum;
  sum.add(header);
  return sum.checksum();
}

// The checksum after one 16-bit word under it went from `old_word` to `new_word` (RFC 1624 3,
// equation 3).
[[nodiscard]] constexpr Be16 update_checksum(Be16 checksum, Be16 old_word, Be16 new_word) {
  std::uint32_t sum = (checksum.host() ^ 0xffffu) + (old_word.host() ^ 0xffffu) + new_word.host();
  sum = (sum & 0xffff) + (sum >> 16);
  sum = (sum & 0xffff) + (sum >> 16);
  return Be16{static_cast<std::uint16_t>(~sum)};
}

// One hop less, the checksum kept right (RFC 1812 5.3.1). The TTL must be above 0.
constexpr void decrement_ttl(Ipv4Header& header) {
  --header.ttl;
  // One less above is one more here; the carry comes round (RFC 1141), and never leaves 0xffff,
  // which a sum that is not zero cannot have (RFC 1624 3).
  const std::uint32_t sum = header.checksum.host() + 0x0100u;
  header.checksum = Be16{static_cast<std::uint16_t>(sum + (sum >= 0xffff ? 1 : 0))};
}

// Another DSCP and ECN field, the checksum kept right.
constexpr void rewrite_dscp_and_ecn(Ipv4Header& header, Dscp dscp, Ecn ecn) {
  const auto word = [&header] {
    return Be16{static_cast<std::uint16_t>(header.version_and_ihl << 8 | header.dscp_and_ecn)};
  };
  const Be16 old_word = word();
  header.set_dscp_and_ecn(dscp, ecn);
  header.checksum = update_checksum(header.checksum, old_word, word());
}

// Another protocol and total length, as when ESP comes in or out behind the whole header, options
// included (RFC 4303 3.1.1); the checksum is kept right.
constexpr void rewrite_protocol_and_length(Ipv4Header& header, IpProtocol protocol,
                                           Be16 total_length) {
  const auto word = [&header] {
    return Be16{
        static_cast<std::uint16_t>(header.ttl << 8 | static_cast<std::uint8_t>(header.protocol))};
  };
  const Be16 old_word = word();
  header.protocol = protocol;
  header.checksum = update_checksum(header.checksum, old_word, word());
  header.checksum = update_checksum(header.checksum, header.total_length, total_length);
  header.total_length = total_length;
}

// The checksum of TCP (RFC 9293 3.1) and UDP (RFC 768) over IPv4: a pseudo-header of addresses,
// protocol and length, then `segment`, its checksum field as it stands. UDP sends a result of 0 as
// 0xffff. `segment` is at most 65,515 bytes.
[[nodiscard]] inline Be16 transport_checksum(Be32 source, Be32 destination, IpProtocol protocol,
                                             std::span<const std::byte> segment) {
  InternetSum sum;
  sum.add(source);
  sum.add(destination);
  sum.add(Be16{static_cast<std::uint8_t>(protocol)});
  sum.add(Be16{static_cast<std::uint16_t>(segment.size())});
  sum.add(segment);
  return sum.checksum();
}

// The sum of the pseudo-header of IPv6 (RFC 8200 8.1), to go on from with the upper layer's
// `length_bytes`. Behind a routing header `destination` is the final one.
[[nodiscard]] constexpr InternetSum pseudo_header_sum(const Ipv6Address& source,
                                                      const Ipv6Address& destination,
                                                      IpProtocol protocol,
                                                      std::size_t length_bytes) {
  InternetSum sum;
  sum.add(source);
  sum.add(destination);
  sum.add(Be32{static_cast<std::uint32_t>(length_bytes)});
  sum.add(Be32{static_cast<std::uint8_t>(protocol)});
  return sum;
}

// The same over IPv6, ICMPv6 included (RFC 8200 8.1).
[[nodiscard]] inline Be16 transport_checksum(const Ipv6Address& source,
                                             const Ipv6Address& destination, IpProtocol protocol,
                                             std::span<const std::byte> segment) {
  InternetSum sum = pseudo_header_sum(source, destination, protocol, segment.size());
  sum.add(segment);
  return sum.checksum();
}

// What stands in a UDP header: 0 means "none" there, which is not allowed over IPv6, so that a
// checksum of 0 is sent as 0xffff (RFC 768, RFC 8200 8.1).
[[nodiscard]] constexpr Be16 udp_checksum_field(Be16 checksum) {
  return checksum == Be16{} ? Be16{0xffff} : checksum;
}

// Finishes a checksum that a Linux interface left to its device: `from_start` begins at the
// virtio_net_hdr's csum_start, and the field at its csum_offset already holds the pseudo-header's
// sum. A result of 0 is written as 0xffff, as Linux does, because UDP means "none" by 0. False, and
// nothing written, when the field does not lie within.
[[nodiscard]] inline bool finish_partial_checksum(std::span<std::byte> from_start,
                                                  std::size_t checksum_offset) {
  Be16* const field = mutable_header_at<Be16>(from_start, checksum_offset);
  if (field == nullptr) return false;
  const Be16 checksum = internet_checksum(from_start);
  *field = udp_checksum_field(checksum);
  return true;
}

}  // namespace culvert
