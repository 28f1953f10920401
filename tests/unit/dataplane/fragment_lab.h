// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <gtest/gtest.h>
#include <rte_errno.h>
#include <rte_mbuf.h>

#include <array>
#include <cstring>
#include <memory>
#include <string>
#include <vector>

#include "dataplane/drop_sink.h"
#include "dataplane/net/checksum.h"
#include "dataplane/net/ipv6_parse.h"
#include "dataplane/packet.h"

namespace culvert {

// Which bytes of which datagram a packet carries.
struct Part {
  std::uint32_t begin = 0;
  std::uint32_t bytes = 0;
  bool more = false;
  std::uint16_t identification = 1;
  IpProtocol protocol = IpProtocol::esp;
  Ecn ecn = Ecn::not_ect;
  std::uint32_t source = 0xc0000202;
  std::uint64_t time_ns = 1'000'000'000;
};

// A pool of buffers, none of which may be lost, and packets whose payload says where it belongs.
class FragmentLab : public testing::Test {
 protected:
  static constexpr unsigned kBuffers = 511;
  static constexpr std::uint32_t kDestination = 0xc0000201;

  void SetUp() override {
    ASSERT_TRUE(claim_packet_meta());
    static int pools = 0;
    pool_.reset(rte_pktmbuf_pool_create(("fragments" + std::to_string(pools++)).c_str(), kBuffers,
                                        0, 0, RTE_MBUF_DEFAULT_BUF_SIZE, SOCKET_ID_ANY));
    ASSERT_NE(pool_, nullptr) << rte_strerror(rte_errno);
  }

  void TearDown() override {
    drops_.flush();
    EXPECT_EQ(rte_mempool_avail_count(pool_.get()), kBuffers) << "buffers were lost";
  }

  // Byte `at` of a datagram's payload.
  [[nodiscard]] static std::byte payload_byte(std::uint16_t identification, std::size_t at) {
    return static_cast<std::byte>(at * 7 + at / 256 + identification);
  }

  [[nodiscard]] Packet ipv4(const Part& part, std::span<const std::uint8_t> options = {}) const {
    const std::size_t header_bytes = sizeof(Ipv4Header) + options.size();
    const Packet packet = buffer(header_bytes, part);
    Ipv4Header ip;
    ip.version_and_ihl = static_cast<std::uint8_t>(0x40 | header_bytes / 4);
    ip.set_dscp_and_ecn(Dscp{10}, part.ecn);
    ip.total_length = Be16(static_cast<std::uint16_t>(packet.length()));
    ip.identification = Be16(part.identification);
    ip.flags_and_fragment_offset = Be16(
        static_cast<std::uint16_t>((part.more ? Ipv4Header::kMoreFragments : 0) | part.begin / 8));
    ip.ttl = 64;
    ip.protocol = part.protocol;
    ip.source = Be32(part.source);
    ip.destination = Be32(kDestination);
    std::memcpy(packet.data(), &ip, sizeof ip);
    if (!options.empty()) {
      std::memcpy(packet.data() + sizeof ip, options.data(), options.size());
    }
    auto& header = *packet.header<Ipv4Header>(0);
    header.checksum = internet_checksum(packet.bytes().first(header_bytes));
    return packet;
  }

  // With a fragment header, and hop-by-hop options of eight bytes where asked for.
  enum class HopByHop { no, yes };
  [[nodiscard]] Packet ipv6_fragment(const Part& part, HopByHop options = HopByHop::no) const {
    const Packet packet =
        ipv6(part, IpProtocol::ipv6_fragment, options, sizeof(Ipv6FragmentHeader));
    const std::size_t at = sizeof(Ipv6Header) + (options == HopByHop::yes ? 8 : 0);
    *packet.header<Ipv6FragmentHeader>(at) = {
        .next_header = part.protocol,
        .offset_and_more = Be16(static_cast<std::uint16_t>(part.begin | (part.more ? 1 : 0))),
        .identification = Be32(part.identification)};
    return packet;
  }
  [[nodiscard]] Packet ipv6(const Part& part, IpProtocol next, HopByHop options,
                            std::size_t extra_bytes = 0) const {
    const std::size_t option_bytes = options == HopByHop::yes ? 8 : 0;
    const Packet packet = buffer(sizeof(Ipv6Header) + option_bytes + extra_bytes, part);
    Ipv6Header ip;
    ip.set_dscp_and_ecn(Dscp{10}, part.ecn);
    ip.payload_length = Be16(static_cast<std::uint16_t>(packet.length() - sizeof ip));
    ip.next_header = options == HopByHop::yes ? IpProtocol::hop_by_hop : next;
    ip.hop_limit = 64;
    ip.source = {0x20, 1, 0xd, 0xb8, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 2};
    ip.destination = {0x20, 1, 0xd, 0xb8, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 1};
    *packet.header<Ipv6Header>(0) = ip;
    if (options == HopByHop::yes) {
      *packet.header<Ipv6Extension>(sizeof ip) = {.next_header = next, .data = {1, 4}};
    }
    return packet;
  }

  // Whether the payload is that of bytes `begin` to the packet's end.
  [[nodiscard]] static testing::AssertionResult carries(Packet packet, std::size_t header_bytes,
                                                        std::uint16_t identification,
                                                        std::size_t begin, std::size_t bytes) {
    if (packet.length() != header_bytes + bytes) {
      return testing::AssertionFailure() << "length " << packet.length();
    }
    for (std::size_t i = 0; i < bytes; ++i) {
      if (packet.bytes()[header_bytes + i] != payload_byte(identification, begin + i)) {
        return testing::AssertionFailure() << "payload differs at " << i;
      }
    }
    return testing::AssertionSuccess();
  }

  static void free(Packet packet) { rte_pktmbuf_free(packet.mbuf()); }
  static void free(std::span<const Packet> packets) {
    for (const Packet packet : packets) free(packet);
  }

  [[nodiscard]] std::uint64_t dropped(DropReason reason) const {
    return counters_.drops[index_of(reason)].get();
  }
  [[nodiscard]] std::uint64_t dropped() const {
    std::uint64_t sum = 0;
    for (const Counter& counter : counters_.drops) sum += counter.get();
    return sum;
  }

  struct FreePool {
    void operator()(rte_mempool* pool) const { rte_mempool_free(pool); }
  };
  std::unique_ptr<rte_mempool, FreePool> pool_;
  WorkerCounters counters_;
  WorkerEvents events_;
  DropSink drops_{counters_, events_};

 private:
  [[nodiscard]] Packet buffer(std::size_t header_bytes, const Part& part) const {
    rte_mbuf* const mbuf = rte_pktmbuf_alloc(pool_.get());
    EXPECT_NE(mbuf, nullptr) << "the test's pool is empty";
    const Packet packet(mbuf);
    EXPECT_NE(packet.push_back(static_cast<std::uint16_t>(header_bytes + part.bytes)), nullptr);
    std::memset(packet.data(), 0, header_bytes);
    for (std::size_t i = 0; i < part.bytes; ++i) {
      packet.bytes()[header_bytes + i] = payload_byte(part.identification, part.begin + i);
    }
    packet.meta() = {.time_ns = part.time_ns, .sa = kNoSa.raw(), .in_port = 3};
    return packet;
  }
};

}  // namespace culvert
