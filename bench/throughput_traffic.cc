// SPDX-License-Identifier: BSD-3-Clause
#include "bench/throughput_traffic.h"

#include <rte_ethdev.h>

#include <algorithm>
#include <bit>
#include <cstdlib>
#include <cstring>
#include <random>

#include "dataplane/net/checksum.h"
#include "dataplane/net/ip_parse.h"
#include "dataplane/packet.h"

namespace culvert {
namespace {

constexpr std::uint32_t kShuffleSeed = 1;
constexpr std::uint16_t kFirstSourcePort = 10'000;
constexpr std::uint16_t kDestinationPort = 5002;

std::vector<std::uint16_t> sizes(std::uint32_t inner_bytes, std::size_t count) {
  if (inner_bytes != kImix) return std::vector(count, static_cast<std::uint16_t>(inner_bytes));
  constexpr std::uint16_t kMix[] = {64, 64, 64, 64, 64, 64, 64, 594, 594, 594, 594, 1420};
  std::vector<std::uint16_t> result(count);
  for (std::size_t i = 0; i < count; ++i) result[i] = kMix[i % std::size(kMix)];
  std::shuffle(result.begin(), result.end(), std::mt19937(kShuffleSeed));
  return result;
}

// Each tunnel equally often, but for a remainder.
std::vector<std::uint32_t> tunnels(std::uint32_t tunnel_count, std::size_t count) {
  std::vector<std::uint32_t> result(count);
  for (std::size_t i = 0; i < count; ++i) result[i] = static_cast<std::uint32_t>(i) % tunnel_count;
  std::shuffle(result.begin(), result.end(), std::mt19937(kShuffleSeed + 1));
  return result;
}

}  // namespace

Traffic::Traffic(ThroughputGateway& gateway, const TrafficKind& kind)
    : gateway_(gateway),
      kind_(kind),
      slots_(kPackets),
      keys_(std::max<std::size_t>(std::min(kind.tunnels.count, kMaxTunnels), kBurstPackets)),
      sequences_(kind.tunnels.count, kind.last_sequence),
      engine_(Engine::create()) {
  if (engine_ == nullptr) std::abort();
  const auto direction = kind.direction == TrafficDirection::seal ? RawCrypto::Direction::seal
                                                                  : RawCrypto::Direction::open;
  for (std::uint32_t i = 0; i < (kind.tunnels.is_mixed() ? kMixedTransforms.size() : 1u); ++i) {
    raw_.push_back({RawCrypto(kind.tunnels.transform_of(i), direction), {}});
  }
  const auto inner_bytes = sizes(kind.inner_bytes, kPackets);
  const auto order = tunnels(kind.tunnels.count, kPackets);
  double total = 0;
  std::vector<std::uint32_t> packets_of(kind.tunnels.count);
  for (std::size_t i = 0; i < kPackets; ++i) {
    const std::uint32_t flow = packets_of[order[i]]++ % kind.flows;
    slots_[i].mbuf = rte_pktmbuf_alloc(&gateway.pool());
    if (slots_[i].mbuf == nullptr) std::abort();
    slots_[i].inner_bytes = inner_bytes[i];
    slots_[i].source_port =
        static_cast<std::uint16_t>(kFirstSourcePort + kind.worker * kind.flows + flow);
    set_tunnel(slots_[i], order[i]);
    total += inner_bytes[i];
  }
  mean_inner_bytes_ = total / kPackets;
  if (kind.tunnels.count > kMaxTunnels) return;
  for (std::uint32_t tunnel = 0; tunnel < kind.tunnels.count; ++tunnel) {
    expand_key(tunnel, keys_[tunnel]);
  }
}

Traffic::~Traffic() {
  for (const Slot& slot : slots_) rte_pktmbuf_free(slot.mbuf);
}

void Traffic::deal(std::span<const std::uint32_t, kPackets> tunnels) {
  for (std::size_t i = 0; i < kPackets; ++i) {
    set_tunnel(slots_[i], tunnels[i]);
    slots_[i].source_port =
        static_cast<std::uint16_t>(kFirstSourcePort + kind_.worker * kind_.flows + i % kind_.flows);
  }
}

void Traffic::expand_key(std::uint32_t tunnel, ExpandedKey& key) {
  const TransformId transform = kind_.tunnels.transform_of(tunnel);
  if (engine_->expand(transform, key_material(transform, tunnel), key) != ExpandStatus::ok) {
    std::abort();
  }
}

const ExpandedKey& Traffic::key_of(std::uint32_t tunnel, std::size_t place) {
  if (kind_.tunnels.count <= kMaxTunnels) return keys_[tunnel];
  expand_key(tunnel, keys_[place]);
  return keys_[place];
}

ThroughputGateway::Side Traffic::source_side() const {
  return kind_.direction == TrafficDirection::seal ? ThroughputGateway::Side::lan
                                                   : ThroughputGateway::Side::wan;
}
ThroughputGateway::Side Traffic::sink_side() const {
  return kind_.direction == TrafficDirection::seal ? ThroughputGateway::Side::wan
                                                   : ThroughputGateway::Side::lan;
}

std::size_t Traffic::ip_bytes() const {
  return kind_.is_over_ipv6() ? sizeof(Ipv6Header) : sizeof(Ipv4Header);
}

std::size_t Traffic::outer_bytes(const Slot& slot) const {
  return ip_bytes() + (kind_.is_udp_encapsulated() ? sizeof(UdpHeader) : 0) + sizeof(EspHeader) +
         transform_of(slot).iv_bytes;
}

std::size_t Traffic::sealed_bytes(const Slot& slot) const {
  return outer_bytes(slot) + slot.crypto_bytes + transform_of(slot).icv_bytes;
}

void Traffic::set_tunnel(Slot& slot, std::uint32_t tunnel) const {
  slot.tunnel = tunnel;
  const std::size_t bytes = slot.inner_bytes + sizeof(EspTrailer);
  const std::size_t alignment = transform_of(slot).pad_alignment;
  slot.crypto_bytes = static_cast<std::uint16_t>((bytes + alignment - 1) / alignment * alignment);
}

std::byte* Traffic::frame_of(const Slot& slot) const {
  return static_cast<std::byte*>(slot.mbuf->buf_addr) + RTE_PKTMBUF_HEADROOM;
}

void Traffic::write_clear(std::byte* frame, const Slot& slot) const {
  const Sites sites = kind_.tunnels.sites;
  ClearHeaders headers{.ip = {.ttl = 64,
                              .protocol = IpProtocol::udp,
                              .source = wire_address(local_host(sites, slot.tunnel)),
                              .destination = wire_address(remote_host(sites, slot.tunnel))},
                       .udp = {.destination_port = Be16{kDestinationPort}}};
  if (kind_.direction == TrafficDirection::open) {
    std::swap(headers.ip.source, headers.ip.destination);
  }
  headers.ip.total_length = Be16{slot.inner_bytes};
  headers.ip.checksum = ipv4_header_checksum(headers.ip);
  headers.udp.source_port = Be16{slot.source_port};
  headers.udp.length = Be16{static_cast<std::uint16_t>(slot.inner_bytes - sizeof(Ipv4Header))};
  std::memcpy(frame, &headers, sizeof headers);
}

// Ethernet to UDP, as the peer sends them; a UDP checksum over IPv6 comes when all else is there.
// Returns where they end.
std::byte* Traffic::write_outer(const Slot& slot) const {
  std::byte* at = frame_of(slot);
  const auto put = [&at](const auto& value) {
    std::memcpy(at, &value, sizeof value);
    at += sizeof value;
  };
  const IpProtocol protocol = kind_.is_udp_encapsulated() ? IpProtocol::udp : IpProtocol::esp;
  const Be16 whole{static_cast<std::uint16_t>(sealed_bytes(slot))};
  const Be16 behind_ip{static_cast<std::uint16_t>(sealed_bytes(slot) - ip_bytes())};
  if (kind_.is_over_ipv6()) {
    put(EthernetHeader{kWanMac, kPeerMac, wire_ether_type(EtherType::ipv6)});
    put(Ipv6Header{.payload_length = behind_ip,
                   .next_header = protocol,
                   .hop_limit = 64,
                   .source = kPeerAddress6,
                   .destination = kOwnAddress6});
  } else {
    put(EthernetHeader{kWanMac, kPeerMac, wire_ether_type(EtherType::ipv4)});
    Ipv4Header outer{.total_length = whole,
                     .ttl = 64,
                     .protocol = protocol,
                     .source = wire_address(kPeerAddress),
                     .destination = wire_address(kOwnAddress)};
    outer.checksum = ipv4_header_checksum(outer);
    put(outer);
  }
  if (kind_.is_udp_encapsulated()) {
    put(UdpHeader{.source_port = Be16{4500}, .destination_port = Be16{4500}, .length = behind_ip});
  }
  return at;
}

// The whole frame of a packet to be opened, but for encryption.
void Traffic::write_sealed(Slot& slot, const ExpandedKey& key, CryptoJob& job) {
  const SeqNum sequence{sequences_[slot.tunnel] += kind_.sequence_step};
  slot.sequence = sequence.raw();
  const std::size_t iv_bytes = transform_of(slot).iv_bytes;
  // The Ethernet header of the inner frame lies where the IV will be.
  std::byte* inner = frame_of(slot) + sizeof(EthernetHeader) + outer_bytes(slot);
  write_clear(inner - sizeof(EthernetHeader), slot);
  std::byte* at = write_outer(slot);
  const auto put = [&at](const auto& value) {
    std::memcpy(at, &value, sizeof value);
    at += sizeof value;
  };
  put(EspHeader{wire_spi(spi_of(slot.tunnel)), wire_sequence(sequence)});
  const Be64 iv{sequence.raw()};
  if (iv_bytes != 0) {
    std::memset(at, 0, iv_bytes);
    std::memcpy(inner - sizeof iv, &iv, sizeof iv);
  }
  at = inner + slot.inner_bytes;
  const std::size_t pad_bytes = slot.crypto_bytes - slot.inner_bytes - sizeof(EspTrailer);
  for (std::size_t pad = 0; pad < pad_bytes; ++pad) put(esp_pad_byte(pad));
  put(EspTrailer{static_cast<std::uint8_t>(pad_bytes), IpProtocol::ipip});

  job.key = &key;
  job.payload = inner;
  job.payload_bytes = slot.crypto_bytes;
  job.icv = inner + slot.crypto_bytes;
  set_nonce(job, std::bit_cast<std::array<std::byte, sizeof iv>>(iv));
  Sa sa;
  sa.spi = spi_of(slot.tunnel);
  sa.flags = kind_.tunnels.sa_flags;
  set_aad(job, sa, sequence);
}

void Traffic::seal_slots(std::size_t first, std::size_t count) {
  std::array<CryptoJob, kBurstPackets> jobs;
  for (std::size_t i = 0; i < count; ++i) {
    Slot& slot = slots_[first + i];
    write_sealed(slot, key_of(slot.tunnel, i), jobs[i]);
  }
  engine_->seal(std::span(jobs).first(count));
  if (!kind_.is_over_ipv6() || !kind_.is_udp_encapsulated()) return;
  for (std::size_t i = 0; i < count; ++i) {
    const Slot& slot = slots_[first + i];
    std::byte* const udp = frame_of(slot) + sizeof(EthernetHeader) + ip_bytes();
    const std::span segment(udp, sealed_bytes(slot) - ip_bytes());
    const Be16 checksum = udp_checksum_field(
        transport_checksum(kPeerAddress6, kOwnAddress6, IpProtocol::udp, segment));
    std::memcpy(udp + offsetof(UdpHeader, checksum), &checksum, sizeof checksum);
  }
}

void Traffic::prepare() {
  if (kind_.direction == TrafficDirection::seal) return;
  for (std::size_t first = 0; first < kPackets; first += kBurstPackets) {
    seal_slots(first, kBurstPackets);
  }
}

// As a device would: lengths and, of clear frames, the header.
void Traffic::fill_burst(std::size_t first, std::size_t count) {
  const bool is_sealed = kind_.direction == TrafficDirection::open;
  for (std::size_t i = 0; i < count; ++i) {
    const Slot& slot = slots_[first + i];
    rte_mbuf* mbuf = slot.mbuf;
    const std::size_t bytes =
        sizeof(EthernetHeader) + (is_sealed ? sealed_bytes(slot) : slot.inner_bytes);
    mbuf->data_off = RTE_PKTMBUF_HEADROOM;
    mbuf->data_len = static_cast<std::uint16_t>(bytes);
    mbuf->pkt_len = static_cast<std::uint32_t>(bytes);
    if (!is_sealed) write_clear(frame_of(slot), slot);
    burst_[i] = mbuf;
  }
}

void Traffic::source(std::size_t first) {
  fill_burst(first, kBurstPackets);
  rte_ring_enqueue_burst(&gateway_.into(source_side(), kind_.worker),
                         reinterpret_cast<void**>(burst_.data()), kBurstPackets, nullptr);
}

std::size_t Traffic::offer(std::size_t first, std::size_t count) {
  if (kind_.direction == TrafficDirection::open) seal_slots(first, count);
  fill_burst(first, count);
  for (std::size_t i = 0; i < count; ++i) {
    rte_mbuf_refcnt_set(burst_[i], 2);
    burst_[i]->hash.usr = static_cast<std::uint32_t>(first + i);
  }
  return rte_ring_enqueue_burst(&gateway_.into(source_side(), kind_.worker),
                                reinterpret_cast<void**>(burst_.data()),
                                static_cast<unsigned>(count), nullptr);
}

std::size_t Traffic::collect(std::span<std::uint32_t, kBurstPackets> slots) {
  const std::size_t count = sink();
  for (std::size_t i = 0; i < count; ++i) slots[i] = burst_[i]->hash.usr;
  return count;
}

// How many packets came out.
std::size_t Traffic::sink() {
  return rte_ring_dequeue_burst(&gateway_.out_of(sink_side(), kind_.worker),
                                reinterpret_cast<void**>(burst_.data()), kBurstPackets, nullptr);
}

bool Traffic::through_gateway() {
  std::size_t arrived = 0;
  for (std::size_t first = 0; first < kPackets; first += kBurstPackets) {
    source(first);
    gateway_.worker(kind_.worker).run_once();
    arrived += sink();
    came_out_at_[first / kBurstPackets] = rte_rdtsc();
  }
  return arrived == kPackets;
}

std::vector<Traffic::Departure> Traffic::departures() const {
  std::vector<Departure> result(kPackets);
  for (std::size_t i = 0; i < kPackets; ++i) {
    const Slot& slot = slots_[i];
    result[i] = {came_out_at_[i / kBurstPackets], slot.sequence, slot.source_port};
    if (kind_.direction == TrafficDirection::open) continue;
    const std::size_t esp_offset = sizeof(EthernetHeader) + outer_bytes(slot) -
                                   transform_of(slot).iv_bytes - sizeof(EspHeader);
    const auto* esp = Packet(slot.mbuf).header<EspHeader>(static_cast<std::uint32_t>(esp_offset));
    result[i].sequence = esp->sequence.host();  // no bench sends as many as 2^32
  }
  return result;
}

bool Traffic::came_out_right() {
  return std::ranges::all_of(slots_, [this](const Slot& slot) {
    return kind_.direction == TrafficDirection::seal ? is_sealed_right(slot)
                                                     : is_opened_right(slot);
  });
}

bool Traffic::has_right_outer(std::span<std::byte> packet) const {
  if (!kind_.is_over_ipv6()) {
    return validate_ipv4(packet) == Ipv4Validity::ok &&
           header_at<Ipv4Header>(packet, 0)->total_length.host() == packet.size();
  }
  const auto* outer = header_at<Ipv6Header>(packet, 0);
  const auto segment = packet.subspan(sizeof(Ipv6Header));
  return outer->source == kOwnAddress6 && outer->destination == kPeerAddress6 &&
         outer->payload_length.host() == segment.size() &&
         (!kind_.is_udp_encapsulated() ||
          transport_checksum(kOwnAddress6, kPeerAddress6, IpProtocol::udp, segment) == Be16{});
}

bool Traffic::is_sealed_right(const Slot& slot) {
  const Packet frame(slot.mbuf);
  const auto packet = frame.bytes().subspan(sizeof(EthernetHeader));
  if (packet.size() != sealed_bytes(slot) || !has_right_outer(packet) ||
      frame.header<EthernetHeader>(0)->destination != kPeerMac) {
    return false;
  }
  const std::size_t iv_end = outer_bytes(slot);
  const auto* esp =
      header_at<EspHeader>(packet, iv_end - transform_of(slot).iv_bytes - sizeof(EspHeader));
  CryptoJob job{};
  job.key = &key_of(slot.tunnel, 0);
  job.payload = packet.data() + iv_end;
  job.payload_bytes = slot.crypto_bytes;
  job.icv = job.payload + slot.crypto_bytes;
  set_nonce(job, packet.subspan(iv_end - sizeof(Be64)).first<sizeof(Be64)>());
  Sa sa;
  sa.spi = esp->host_spi();
  sa.flags = kind_.tunnels.sa_flags;
  set_aad(job, sa, SeqNum{esp->sequence.host()});  // no bench sends as many as 2^32
  Verdict verdict = Verdict::refused;
  engine_->open({&job, 1}, {&verdict, 1});
  const auto inner = packet.subspan(iv_end, slot.inner_bytes);
  return sa.spi == spi_of(slot.tunnel) && verdict == Verdict::authentic &&
         validate_ipv4(inner) == Ipv4Validity::ok && header_at<Ipv4Header>(inner, 0)->ttl == 63;
}

bool Traffic::is_opened_right(const Slot& slot) const {
  const Packet frame(slot.mbuf);
  const auto packet = frame.bytes().subspan(sizeof(EthernetHeader));
  const auto* header = header_at<Ipv4Header>(packet, 0);
  return validate_ipv4(packet) == Ipv4Validity::ok && packet.size() == slot.inner_bytes &&
         header->ttl == 63 &&
         header->source == wire_address(remote_host(kind_.tunnels.sites, slot.tunnel)) &&
         frame.header<EthernetHeader>(0)->destination == kLanRouterMac;
}

void Traffic::through_ports() {
  std::array<rte_mbuf*, kBurstPackets> frames;
  const std::uint16_t in = gateway_.device(source_side());
  const std::uint16_t out = gateway_.device(sink_side());
  for (std::size_t first = 0; first < kPackets; first += kBurstPackets) {
    source(first);
    const std::uint16_t count = rte_eth_rx_burst(in, kind_.worker, frames.data(), kBurstPackets);
    rte_eth_tx_burst(out, kind_.worker, frames.data(), count);
    static_cast<void>(sink());
  }
}

void Traffic::through_ipsec_mb() {
  for (std::size_t first = 0; first < kPackets; first += kBurstPackets) {
    for (std::size_t i = 0; i < kBurstPackets; ++i) {
      const Slot& slot = slots_[first + i];
      // Of one to be sealed: headers are put in front of the inner packet.
      const std::size_t payload_offset =
          sizeof(EthernetHeader) +
          (kind_.direction == TrafficDirection::seal ? 0 : outer_bytes(slot));
      raw_part_of(slot).burst.push_back(
          {&keys_[slot.tunnel], frame_of(slot) + payload_offset, slot.crypto_bytes});
    }
    for (RawPart& part : raw_) {
      part.crypto.run(part.burst);
      part.burst.clear();
    }
  }
}

}  // namespace culvert
