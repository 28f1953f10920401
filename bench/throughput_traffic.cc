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
      transform_(*transform_info(kind.tunnels.transform)),
      slots_(kPackets),
      keys_(std::max<std::size_t>(std::min(kind.tunnels.count, kMaxTunnels), kBurstPackets)),
      sequences_(kind.tunnels.count, kind.last_sequence),
      engine_(Engine::create()),
      raw_(kind.tunnels.transform, kind.direction == TrafficDirection::seal
                                       ? RawCrypto::Direction::seal
                                       : RawCrypto::Direction::open) {
  if (engine_ == nullptr) std::abort();
  const auto inner_bytes = sizes(kind.inner_bytes, kPackets);
  const auto order = tunnels(kind.tunnels.count, kPackets);
  double total = 0;
  std::vector<std::uint32_t> packets_of(kind.tunnels.count);
  for (std::size_t i = 0; i < kPackets; ++i) {
    const std::uint32_t flow = packets_of[order[i]]++ % kind.flows;
    slots_[i] = {rte_pktmbuf_alloc(&gateway.pool()), order[i], inner_bytes[i],
                 crypto_bytes_of(inner_bytes[i]),
                 static_cast<std::uint16_t>(kFirstSourcePort + flow)};
    if (slots_[i].mbuf == nullptr) std::abort();
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
    slots_[i].tunnel = tunnels[i];
    slots_[i].source_port = static_cast<std::uint16_t>(kFirstSourcePort + i % kind_.flows);
  }
}

void Traffic::expand_key(std::uint32_t tunnel, ExpandedKey& key) {
  const TransformId transform = kind_.tunnels.transform;
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

std::size_t Traffic::outer_bytes() const {
  return sizeof(Ipv4Header) + (kind_.is_udp_encapsulated() ? sizeof(UdpHeader) : 0) +
         sizeof(EspHeader) + transform_.iv_bytes;
}

std::uint16_t Traffic::crypto_bytes_of(std::uint16_t inner_bytes) const {
  const std::size_t bytes = inner_bytes + sizeof(EspTrailer);
  const std::size_t alignment = transform_.pad_alignment;
  return static_cast<std::uint16_t>((bytes + alignment - 1) / alignment * alignment);
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

// The whole frame of a packet to be opened, but for encryption.
void Traffic::write_sealed(const Slot& slot, const ExpandedKey& key, CryptoJob& job) {
  const SeqNum sequence{++sequences_[slot.tunnel]};
  const std::size_t ip_bytes = outer_bytes() + slot.crypto_bytes + transform_.icv_bytes;
  std::byte* at = frame_of(slot);
  const auto put = [&at](const auto& value) {
    std::memcpy(at, &value, sizeof value);
    at += sizeof value;
  };
  // The Ethernet header of the inner frame lies where the IV will be.
  std::byte* inner = at + sizeof(EthernetHeader) + outer_bytes();
  write_clear(inner - sizeof(EthernetHeader), slot);
  put(EthernetHeader{kWanMac, kPeerMac, wire_ether_type(EtherType::ipv4)});
  Ipv4Header outer{.total_length = Be16{static_cast<std::uint16_t>(ip_bytes)},
                   .ttl = 64,
                   .protocol = kind_.is_udp_encapsulated() ? IpProtocol::udp : IpProtocol::esp,
                   .source = wire_address(kPeerAddress),
                   .destination = wire_address(kOwnAddress)};
  outer.checksum = ipv4_header_checksum(outer);
  put(outer);
  if (kind_.is_udp_encapsulated()) {
    put(UdpHeader{.source_port = Be16{4500},
                  .destination_port = Be16{4500},
                  .length = Be16{static_cast<std::uint16_t>(ip_bytes - sizeof outer)}});
  }
  put(EspHeader{wire_spi(spi_of(slot.tunnel)), wire_sequence(sequence)});
  const Be64 iv{sequence.raw()};
  if (transform_.iv_bytes != 0) {
    std::memset(at, 0, transform_.iv_bytes);
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

void Traffic::prepare() {
  if (kind_.direction == TrafficDirection::seal) return;
  std::array<CryptoJob, kBurstPackets> jobs;
  for (std::size_t first = 0; first < kPackets; first += kBurstPackets) {
    for (std::size_t i = 0; i < kBurstPackets; ++i) {
      const Slot& slot = slots_[first + i];
      write_sealed(slot, key_of(slot.tunnel, i), jobs[i]);
    }
    engine_->seal(jobs);
  }
}

// As a device would: lengths and, of clear frames, the header.
void Traffic::fill_burst(std::size_t first, std::size_t count) {
  const bool is_sealed = kind_.direction == TrafficDirection::open;
  const std::size_t around =
      sizeof(EthernetHeader) + (is_sealed ? outer_bytes() + transform_.icv_bytes : 0);
  for (std::size_t i = 0; i < count; ++i) {
    const Slot& slot = slots_[first + i];
    rte_mbuf* mbuf = slot.mbuf;
    const std::size_t bytes = around + (is_sealed ? slot.crypto_bytes : slot.inner_bytes);
    mbuf->data_off = RTE_PKTMBUF_HEADROOM;
    mbuf->data_len = static_cast<std::uint16_t>(bytes);
    mbuf->pkt_len = static_cast<std::uint32_t>(bytes);
    if (!is_sealed) write_clear(frame_of(slot), slot);
    burst_[i] = mbuf;
  }
}

void Traffic::source(std::size_t first) {
  fill_burst(first, kBurstPackets);
  rte_ring_enqueue_burst(&gateway_.into(source_side()), reinterpret_cast<void**>(burst_.data()),
                         kBurstPackets, nullptr);
}

std::size_t Traffic::offer(std::size_t first, std::size_t count) {
  if (kind_.direction == TrafficDirection::open) {
    std::array<CryptoJob, kBurstPackets> jobs;
    for (std::size_t i = 0; i < count; ++i) {
      const Slot& slot = slots_[first + i];
      write_sealed(slot, key_of(slot.tunnel, i), jobs[i]);
    }
    engine_->seal(std::span(jobs).first(count));
  }
  fill_burst(first, count);
  for (std::size_t i = 0; i < count; ++i) {
    rte_mbuf_refcnt_set(burst_[i], 2);
    burst_[i]->hash.usr = static_cast<std::uint32_t>(first + i);
  }
  return rte_ring_enqueue_burst(&gateway_.into(source_side()),
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
  return rte_ring_dequeue_burst(&gateway_.out_of(sink_side()),
                                reinterpret_cast<void**>(burst_.data()), kBurstPackets, nullptr);
}

bool Traffic::through_gateway() {
  std::size_t arrived = 0;
  for (std::size_t first = 0; first < kPackets; first += kBurstPackets) {
    source(first);
    gateway_.worker().run_once();
    arrived += sink();
  }
  return arrived == kPackets;
}

bool Traffic::came_out_right() {
  return std::ranges::all_of(slots_, [this](const Slot& slot) {
    return kind_.direction == TrafficDirection::seal ? is_sealed_right(slot)
                                                     : is_opened_right(slot);
  });
}

bool Traffic::is_sealed_right(const Slot& slot) {
  const Packet frame(slot.mbuf);
  const auto packet = frame.bytes().subspan(sizeof(EthernetHeader));
  const auto* outer = header_at<Ipv4Header>(packet, 0);
  if (validate_ipv4(packet) != Ipv4Validity::ok || outer->total_length.host() != packet.size() ||
      packet.size() != outer_bytes() + slot.crypto_bytes + transform_.icv_bytes ||
      frame.header<EthernetHeader>(0)->destination != kPeerMac) {
    return false;
  }
  const std::size_t iv_end = outer_bytes();
  const auto* esp = header_at<EspHeader>(packet, iv_end - transform_.iv_bytes - sizeof(EspHeader));
  CryptoJob job{};
  job.key = &key_of(slot.tunnel, 0);
  job.payload = packet.data() + outer_bytes();
  job.payload_bytes = slot.crypto_bytes;
  job.icv = job.payload + slot.crypto_bytes;
  set_nonce(job, packet.subspan(iv_end - sizeof(Be64)).first<sizeof(Be64)>());
  Sa sa;
  sa.spi = esp->host_spi();
  sa.flags = kind_.tunnels.sa_flags;
  set_aad(job, sa, SeqNum{esp->sequence.host()});  // no bench sends as many as 2^32
  Verdict verdict = Verdict::refused;
  engine_->open({&job, 1}, {&verdict, 1});
  const auto inner = packet.subspan(outer_bytes(), slot.inner_bytes);
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
    const std::uint16_t count = rte_eth_rx_burst(in, 0, frames.data(), kBurstPackets);
    rte_eth_tx_burst(out, 0, frames.data(), count);
    static_cast<void>(sink());
  }
}

void Traffic::through_ipsec_mb() {
  const std::size_t payload_offset =
      kind_.direction == TrafficDirection::seal
          ? sizeof(EthernetHeader)  // headers are put in front of the inner packet
          : sizeof(EthernetHeader) + outer_bytes();
  std::array<RawCrypto::Packet, kBurstPackets> burst;
  for (std::size_t first = 0; first < kPackets; first += kBurstPackets) {
    for (std::size_t i = 0; i < kBurstPackets; ++i) {
      const Slot& slot = slots_[first + i];
      burst[i] = {&keys_[slot.tunnel], frame_of(slot) + payload_offset, slot.crypto_bytes};
    }
    raw_.run(burst);
  }
}

}  // namespace culvert
