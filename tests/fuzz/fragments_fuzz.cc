// SPDX-License-Identifier: BSD-3-Clause
// Reassembly, and Fragmenter as its inverse. Input: fragments of up to eight datagrams, five bytes
// each: what it is, two bytes of offset and more-fragments, two of length; or 0xff and a raw packet
// to the end.
#include <rte_eal.h>
#include <rte_mbuf.h>

#include <algorithm>
#include <array>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <string>
#include <vector>

#include "dataplane/fragment.h"
#include "dataplane/net/checksum.h"
#include "dataplane/net/ipv6_parse.h"
#include "dataplane/reassembly.h"
#include "dataplane/tracer.h"
#include "tests/fuzz/fuzz.h"

using namespace culvert;
using culvert::fuzz::require;

// Nothing is traced here.
void Tracer::dropped(Packet, DropReason, SaIndex) {
  std::abort();
}

namespace {

constexpr unsigned kBuffers = 255;
constexpr std::size_t kMostHeld = 32;
constexpr std::uint8_t kRaw = 0xff;

rte_mempool& pool() {
  static rte_mempool* const made = [] {
    std::array<std::string, 9> arguments = {
        "fragments_fuzz", "--no-huge",    "--no-shconf", "--no-pci", "--no-telemetry", "-m", "64",
        "--log-level",    "lib.eal:error"};
    std::array<char*, arguments.size()> pointers{};
    for (std::size_t i = 0; i < arguments.size(); ++i) pointers[i] = arguments[i].data();
    require(rte_eal_init(static_cast<int>(pointers.size()), pointers.data()) >= 0, "EAL starts");
    require(claim_packet_meta(), "there is room for notes");
    return rte_pktmbuf_pool_create("fuzz", kBuffers, 0, 0, RTE_MBUF_DEFAULT_BUF_SIZE,
                                   SOCKET_ID_ANY);
  }();
  require(made != nullptr, "there is memory");
  return *made;
}

std::byte payload_byte(std::size_t at) {
  return static_cast<std::byte>(at * 7 + at / 256);
}

// ESP, or UDP to a port that depends on the datagram.
Packet fragment_of(std::uint8_t kind, std::uint16_t offset_and_more, std::uint16_t length) {
  const bool is_ipv6 = (kind & 1) != 0;
  const IpProtocol protocol = (kind & 2) != 0 ? IpProtocol::udp : IpProtocol::esp;
  const std::size_t begin = offset_and_more & 0xfff8u;
  const bool more = (offset_and_more & 1) != 0;
  const std::size_t header_bytes =
      is_ipv6 ? sizeof(Ipv6Header) + sizeof(Ipv6FragmentHeader) : sizeof(Ipv4Header);
  const Packet packet(rte_pktmbuf_alloc(&pool()));
  require(packet.push_back(static_cast<std::uint16_t>(header_bytes + length % 1500)) != nullptr,
          "it fits");
  const auto id = static_cast<std::uint16_t>(kind >> 2 & 7);
  if (is_ipv6) {
    Ipv6Header ip;
    ip.payload_length = Be16(static_cast<std::uint16_t>(packet.length() - sizeof ip));
    ip.next_header = IpProtocol::ipv6_fragment;
    *packet.header<Ipv6Header>(0) = ip;
    *packet.header<Ipv6FragmentHeader>(sizeof ip) = {
        protocol, 0, Be16(static_cast<std::uint16_t>(begin | (more ? 1 : 0))), Be32{id}};
  } else {
    Ipv4Header ip;
    ip.total_length = Be16(static_cast<std::uint16_t>(packet.length()));
    ip.identification = Be16(id);
    ip.flags_and_fragment_offset = Be16(static_cast<std::uint16_t>(
        begin / 8 | (more ? std::size_t{Ipv4Header::kMoreFragments} : 0)));
    ip.protocol = protocol;
    ip.checksum = ipv4_header_checksum(ip);
    *packet.header<Ipv4Header>(0) = ip;
  }
  for (std::size_t i = header_bytes; i < packet.length(); ++i) {
    packet.bytes()[i] = payload_byte(begin + i - header_bytes);
  }
  if (auto* port = packet.header<Be16>(header_bytes + 2); begin == 0 && port != nullptr) {
    *port = Be16(static_cast<std::uint16_t>(id < 4 ? 4500 : 53));
  }
  return packet;
}

Packet raw_packet(std::span<const std::byte> bytes) {
  const Packet packet(rte_pktmbuf_alloc(&pool()));
  const auto part = bytes.first(std::min<std::size_t>(bytes.size(), 2000));
  std::byte* const data = packet.push_back(static_cast<std::uint16_t>(part.size()));
  if (!part.empty()) std::memcpy(data, part.data(), part.size());
  return packet;
}

class Run {
 public:
  Run() : drops_(counters_, events_), reassembly_({.buffers = kMostHeld}, 1, drops_) {}

  void fragments(std::span<const std::byte> input) {
    fuzz::InputReader reader(input);
    while (!reader.rest().empty()) {
      const auto kind = static_cast<std::uint8_t>(reader.take(1));
      if (kind == kRaw) {
        give(raw_packet(reader.rest()), false);
        break;
      }
      now_ns_ += std::uint64_t{kind} >> 6 == 3 ? Reassembly::Limits{}.patience_ns / 2 : 1;
      const auto offset = static_cast<std::uint16_t>(reader.take(2));
      give(fragment_of(kind, offset, static_cast<std::uint16_t>(reader.take(2))), true);
    }
  }

  void finish() {
    reassembly_.clear(DropReason::replay_end);
    drops_.flush();
    std::uint64_t dropped = 0;
    for (const Counter& counter : counters_.drops) dropped += counter.get();
    require(counters_.held_in.get() == counters_.held_out.get(), "nothing is held any more");
    require(given_ + counters_.split.get() == taken_ + counters_.merged.get() + dropped,
            "the balance");
    require(rte_mempool_avail_count(&pool()) == kBuffers, "no buffer is lost");
  }

 private:
  std::optional<Packet> add(Packet packet) {
    ++given_;
    packet.meta() = {.time_ns = now_ns_};
    if (validate_ipv4(packet.bytes()) == Ipv4Validity::ok) {
      const auto& header = *packet.header<Ipv4Header>(0);
      packet.truncate(header.total_length.host());
      if (Reassembly::takes(header.protocol)) return reassembly_.add_ipv4(packet);
    } else if (validate_ipv6(packet.bytes()) == Ipv6Validity::ok) {
      packet.truncate(static_cast<std::uint32_t>(packet.header<Ipv6Header>(0)->total_bytes()));
      const Ipv6Chain chain = walk_ipv6(packet.bytes());
      if (chain.end == Ipv6ChainEnd::upper_layer && Reassembly::takes_ipv6(packet, chain)) {
        return reassembly_.add_ipv6(packet, chain);
      }
    }
    return packet;
  }

  void take(Packet packet) {
    ++taken_;
    rte_pktmbuf_free(packet.mbuf());
  }

  void give(Packet packet, bool has_pattern) {
    const auto whole = add(packet);
    require(reassembly_.held() <= kMostHeld, "what waits is bounded");
    reassembly_.hand_on(lanes_, 64);
    for (Lane<Packet>* lane : {&lanes_.inner, &lanes_.inner6}) {
      for (const Packet handed : lane->packets()) take(handed);
      lane->clear();
    }
    if (!whole) return;
    if (has_pattern) {
      check(*whole);
      return round_trip(*whole);
    }
    take(*whole);
  }

  static void check(Packet packet) {
    const bool is_ipv6 = packet.header<Ipv4Header>(0)->version() == 6;
    const std::size_t header_bytes = is_ipv6 ? sizeof(Ipv6Header) : sizeof(Ipv4Header);
    if (is_ipv6) {
      require(validate_ipv6(packet.bytes()) == Ipv6Validity::ok, "valid IPv6");
      require(!walk_ipv6(packet.bytes()).has_fragment_header(), "no fragment header");
      require(packet.header<Ipv6Header>(0)->total_bytes() == packet.length(), "IPv6 length");
    } else {
      require(validate_ipv4(packet.bytes()) == Ipv4Validity::ok, "valid IPv4");
      require(!packet.header<Ipv4Header>(0)->is_fragment(), "no fragment");
      require(packet.header<Ipv4Header>(0)->total_length.host() == packet.length(), "length");
    }
    for (std::size_t i = header_bytes + 4; i < packet.length(); ++i) {
      require(packet.bytes()[i] == payload_byte(i - header_bytes), "each byte in its place");
    }
  }

  // Split again and put together again it is the same.
  void round_trip(Packet packet) {
    const std::vector<std::byte> before(packet.bytes().begin(), packet.bytes().end());
    Fragmenter fragmenter(pool(), drops_, 99);
    const bool is_ipv6 = packet.header<Ipv4Header>(0)->version() == 6;
    const std::uint32_t mtu = 400;
    if (packet.length() <= mtu) return take(packet);
    const auto pieces =
        is_ipv6 ? fragmenter.split_ipv6(packet, mtu) : fragmenter.split_ipv4(packet, mtu);
    require(pieces.size() > 1 || pieces.empty(), "several pieces, or none for want of buffers");
    for (const Packet piece : pieces) require(piece.length() <= mtu, "each piece fits");
    std::vector<Packet> copies(pieces.begin(), pieces.end());
    for (std::size_t i = 0; i < copies.size(); ++i) {
      const auto whole = add(copies[i]);
      --given_;  // pieces are counted as split
      if (i + 1 == copies.size() && whole) {
        require(std::ranges::equal(whole->bytes(), before), "the same packet");
      }
      if (whole) take(*whole);
    }
  }

  WorkerCounters counters_;
  WorkerEvents events_;
  DropSink drops_;
  Reassembly reassembly_;
  Lanes lanes_;
  std::uint64_t now_ns_ = 1'000'000'000;
  std::uint64_t given_ = 0;
  std::uint64_t taken_ = 0;
};

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  static_cast<void>(pool());
  const auto run = std::make_unique<Run>();
  run->fragments(std::as_bytes(std::span(data, std::min<std::size_t>(size, 2048))));
  run->finish();
  return 0;
}
