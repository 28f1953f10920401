// SPDX-License-Identifier: BSD-3-Clause
#include "dataplane/fragment.h"

#include <algorithm>
#include <cstring>

#include "dataplane/net/checksum.h"
#include "dataplane/net/ipv6_parse.h"

namespace culvert {
namespace {

// RFC 791 3.1: of an option's type.
constexpr std::uint8_t kEndOfOptions = 0;
constexpr std::uint8_t kNoOperation = 1;
constexpr std::uint8_t kCopiedFlag = 0x80;

constexpr std::size_t kMaxOffsetBytes = 65535;

// What fits behind a header of `header_bytes`, in whole blocks of 8 bytes (RFC 791 3.2).
std::size_t fitting_payload(std::uint32_t mtu, std::size_t header_bytes) {
  return mtu < header_bytes ? 0 : (mtu - header_bytes) & ~std::size_t{7};
}

}  // namespace

CopiedOptions copied_options(std::span<const std::byte> options) {
  CopiedOptions copied;
  while (!options.empty()) {
    const auto type = std::to_integer<std::uint8_t>(options[0]);
    if (type == kEndOfOptions) break;
    if (type == kNoOperation) {
      options = options.subspan(1);
      continue;
    }
    if (options.size() < 2) break;
    const auto length = std::to_integer<std::size_t>(options[1]);
    if (length < 2 || length > options.size()) break;
    if ((type & kCopiedFlag) != 0) {
      std::memcpy(copied.bytes.data() + copied.length, options.data(), length);
      copied.length += length;
    }
    options = options.subspan(length);
  }
  copied.length = (copied.length + 3) & ~std::size_t{3};
  return copied;
}

// 1. How much goes into each piece (RFC 791 3.2).
// 2. Buffers for all pieces, or for none.
// 3. The header of each: the first has all options, the others those to be copied; offsets count
//    from where the packet's own did, and only the end of the datagram has more-fragments clear.
std::span<const Packet> Fragmenter::split_ipv4(Packet packet, std::uint32_t mtu) {
  const Ipv4Header original = *packet.header<Ipv4Header>(0);
  Plan plan{.header_bytes = original.header_length_bytes()};
  const CopiedOptions options =
      copied_options(packet.bytes().first(plan.header_bytes).subspan(sizeof(Ipv4Header)));
  plan.first_header_bytes = plan.header_bytes;
  plan.later_header_bytes = sizeof(Ipv4Header) + options.length;
  plan.piece_bytes = fitting_payload(mtu, plan.header_bytes);
  plan.payload_bytes = packet.length() - plan.header_bytes;
  const std::size_t first_offset = original.fragment_offset_bytes();
  if (first_offset + plan.payload_bytes > kMaxOffsetBytes) {
    drops_->drop(packet, DropReason::fragment_malformed);
    return {};
  }
  if (!allocate(packet, plan)) return {};

  const std::size_t count = plan.pieces();
  const std::uint16_t flags = original.flags_and_fragment_offset.host() &
                              static_cast<std::uint16_t>(~Ipv4Header::kFragmentOffsetMask);
  for (std::size_t i = 0; i < count; ++i) {
    const Packet piece = pieces_[i];
    const std::size_t header_bytes = i == 0 ? plan.header_bytes : plan.later_header_bytes;
    auto& header = *piece.header<Ipv4Header>(0);
    if (i != 0) {
      header = original;
      header.version_and_ihl = static_cast<std::uint8_t>(0x40 | header_bytes / 4);
      std::memcpy(piece.data() + sizeof header, options.bytes.data(), options.length);
    }
    const std::size_t offset = first_offset + i * plan.piece_bytes;
    const std::uint16_t more = i + 1 < count ? Ipv4Header::kMoreFragments : std::uint16_t{0};
    header.flags_and_fragment_offset = Be16(static_cast<std::uint16_t>(flags | more | offset / 8));
    header.total_length = Be16(static_cast<std::uint16_t>(piece.length()));
    header.checksum = Be16{};
    header.checksum = internet_checksum(piece.bytes().first(header_bytes));
  }
  return std::span(pieces_).first(count);
}

// 1. What must come in each piece: the IPv6 header and all up to the routing header (RFC 8200 4.5,
//    the per-fragment headers).
// 2. Buffers, as above; the first piece's headers move forward to make room.
// 3. Behind them a fragment header; the last of them names it.
std::span<const Packet> Fragmenter::split_ipv6(Packet packet, std::uint32_t mtu) {
  const Ipv6Chain chain = walk_ipv6(packet.bytes());
  if (chain.end != Ipv6ChainEnd::upper_layer || chain.has_fragment_header()) {
    drops_->drop(packet, DropReason::fragment_malformed);
    return {};
  }
  Plan plan{.header_bytes = chain.esp_offset};
  plan.first_header_bytes = plan.header_bytes + sizeof(Ipv6FragmentHeader);
  plan.later_header_bytes = plan.first_header_bytes;
  plan.piece_bytes = fitting_payload(mtu, plan.first_header_bytes);
  plan.payload_bytes = packet.length() - plan.header_bytes;
  if (!allocate(packet, plan)) return {};

  const std::size_t count = plan.pieces();
  const Packet first = pieces_[0];
  std::memmove(first.data(), first.data() + sizeof(Ipv6FragmentHeader), plan.header_bytes);
  auto& name = *first.header<IpProtocol>(chain.esp_next_header_offset);
  Ipv6FragmentHeader fragment{.next_header = name, .identification = Be32(identification_++)};
  name = IpProtocol::ipv6_fragment;
  for (std::size_t i = 0; i < count; ++i) {
    const Packet piece = pieces_[i];
    if (i != 0) std::memcpy(piece.data(), first.data(), plan.header_bytes);
    piece.header<Ipv6Header>(0)->payload_length =
        Be16(static_cast<std::uint16_t>(piece.length() - sizeof(Ipv6Header)));
    const std::size_t more = i + 1 < count ? 1 : 0;
    fragment.offset_and_more = Be16(static_cast<std::uint16_t>(i * plan.piece_bytes | more));
    std::memcpy(piece.data() + plan.header_bytes, &fragment, sizeof fragment);
  }
  return std::span(pieces_).first(count);
}

// The packet itself is cut to be the first piece. On any want it is dropped, and nothing is sent.
bool Fragmenter::allocate(Packet packet, const Plan& plan) {
  if (plan.piece_bytes == 0 || plan.pieces() > kMaxPieces) {
    drops_->drop(packet, DropReason::fragment_too_many);
    return false;
  }
  const auto grown = static_cast<std::uint16_t>(plan.first_header_bytes - plan.header_bytes);
  const std::size_t others = plan.pieces() - 1;
  std::array<rte_mbuf*, kMaxPieces> mbufs;
  if (rte_pktmbuf_headroom(packet.mbuf()) < grown ||
      rte_pktmbuf_alloc_bulk(pool_, mbufs.data(), static_cast<unsigned>(others)) != 0) {
    drops_->drop(packet, DropReason::fragment_no_mbuf);
    return false;
  }
  const std::span payload = packet.bytes().subspan(plan.header_bytes);
  pieces_[0] = packet;
  bool has_room = true;
  for (std::size_t i = 1; i <= others; ++i) {
    const Packet piece(mbufs[i - 1]);
    const std::span part = payload.subspan(i * plan.piece_bytes);
    const std::size_t part_bytes = std::min(part.size(), plan.piece_bytes);
    std::byte* const data =
        piece.push_back(static_cast<std::uint16_t>(plan.later_header_bytes + part_bytes));
    if (data == nullptr) {
      has_room = false;
      break;
    }
    std::memcpy(data + plan.later_header_bytes, part.data(), part_bytes);
    piece.meta() = packet.meta();
    pieces_[i] = piece;
  }
  if (!has_room) {
    rte_pktmbuf_free_bulk(mbufs.data(), static_cast<unsigned>(others));
    drops_->drop(packet, DropReason::fragment_no_mbuf);
    return false;
  }
  packet.truncate(static_cast<std::uint32_t>(plan.header_bytes +
                                             std::min(plan.payload_bytes, plan.piece_bytes)));
  if (grown != 0) packet.grow(grown, 0);
  drops_->counters().split.add(others);
  return true;
}

}  // namespace culvert
