// SPDX-License-Identifier: BSD-3-Clause
//
// The plainest forwarder that DPDK allows, to stand in a gateway's place: whatever comes in by one
// of two ports leaves by the other with new MAC addresses and a TTL one lower. It answers nothing
// (no ARP, no ICMP), looks nothing up and encrypts nothing, so what a chain of two of these
// carries is what ports, kernel and machine allow; a gateway's rate is read beside it.
//
//   plain_forward [EAL arguments] -- --next-mac 0=MAC --next-mac 1=MAC [--burst N] [--sleep-us N]
//
// "--next-mac 1=MAC": frames that leave by port 1 go to MAC. Ends on SIGINT or SIGTERM and prints
// what went through.

#include <sys/prctl.h>

#include <array>
#include <charconv>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <ctime>
#include <optional>
#include <span>
#include <string_view>

#include <rte_eal.h>
#include <rte_ethdev.h>
#include <rte_ether.h>
#include <rte_ip.h>
#include <rte_mbuf.h>
#include <rte_pause.h>

namespace culvert {
namespace {

constexpr std::uint16_t kPorts = 2;
constexpr std::uint16_t kMaxBurstPackets = 256;
constexpr std::uint16_t kRingPackets = 2048;
constexpr unsigned kPoolPackets = 16383;
// Empty rounds before the loop sleeps, the same idea as the gateway's poll = "adaptive".
constexpr unsigned kEmptyRoundsBeforeSleep = 16;
// A full transmit ring is tried again this often before the rest of the burst is dropped.
constexpr unsigned kTransmitTries = 64;

volatile std::sig_atomic_t stop_requested = 0;

struct Options {
  std::array<std::optional<rte_ether_addr>, kPorts> next_mac;
  std::uint16_t burst_packets = 64;
  unsigned sleep_us = 50;
};

struct Totals {
  std::uint64_t received = 0;
  std::uint64_t sent = 0;
  std::uint64_t dropped = 0;
  std::uint64_t sleeps = 0;
};

[[noreturn]] void die(const char* what, const char* detail) {
  std::fprintf(stderr, "plain_forward: %s%s\n", what, detail);
  std::exit(2);
}

unsigned parse_number(std::string_view text, unsigned least, unsigned most, const char* name) {
  unsigned value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc{} || end != text.data() + text.size() || value < least || value > most) {
    die(name, ": out of range");
  }
  return value;
}

// "PORT=MAC", such as "0=02:00:00:00:00:01".
void parse_next_mac(const char* text, Options& options) {
  const std::string_view view(text);
  rte_ether_addr mac{};
  if (view.size() < 3 || view[1] != '=' || view[0] < '0' || view[0] >= '0' + kPorts ||
      rte_ether_unformat_addr(text + 2, &mac) != 0) {
    die("--next-mac wants 0=MAC or 1=MAC, not ", text);
  }
  options.next_mac[static_cast<std::size_t>(view[0] - '0')] = mac;
}

Options parse_options(std::span<char*> arguments) {
  Options options;
  for (std::size_t i = 0; i < arguments.size(); i += 2) {
    const std::string_view name(arguments[i]);
    if (i + 1 == arguments.size()) die("no value after ", arguments[i]);
    char* value = arguments[i + 1];
    if (name == "--next-mac") {
      parse_next_mac(value, options);
    } else if (name == "--burst") {
      options.burst_packets =
          static_cast<std::uint16_t>(parse_number(value, 1, kMaxBurstPackets, "--burst"));
    } else if (name == "--sleep-us") {
      options.sleep_us = parse_number(value, 0, 10000, "--sleep-us");
    } else {
      die("unknown option ", arguments[i]);
    }
  }
  if (!options.next_mac[0] || !options.next_mac[1]) die("--next-mac is needed for both ports", "");
  return options;
}

void start_port(std::uint16_t port, rte_mempool* pool) {
  const rte_eth_conf plain{};
  std::uint16_t rx_ring = kRingPackets;
  std::uint16_t tx_ring = kRingPackets;
  const auto socket = static_cast<unsigned>(rte_socket_id());
  if (rte_eth_dev_configure(port, 1, 1, &plain) != 0 ||
      rte_eth_dev_adjust_nb_rx_tx_desc(port, &rx_ring, &tx_ring) != 0 ||
      rte_eth_rx_queue_setup(port, 0, rx_ring, socket, nullptr, pool) != 0 ||
      rte_eth_tx_queue_setup(port, 0, tx_ring, socket, nullptr) != 0 ||
      rte_eth_dev_start(port) != 0) {
    die("cannot start a port", "");
  }
  // A device that is always promiscuous refuses this; forwarding rewrites MACs either way.
  static_cast<void>(rte_eth_promiscuous_enable(port));
}

// IPv4 with a TTL to spare: one hop less, the checksum updated in place (RFC 1624). Everything
// else is not forwarded.
bool forward_one_hop(rte_mbuf& packet, const rte_ether_addr& from, const rte_ether_addr& to) {
  if (rte_pktmbuf_data_len(&packet) < sizeof(rte_ether_hdr) + sizeof(rte_ipv4_hdr)) return false;
  auto* ether = rte_pktmbuf_mtod(&packet, rte_ether_hdr*);
  if (ether->ether_type != RTE_BE16(RTE_ETHER_TYPE_IPV4)) return false;
  auto* ip = reinterpret_cast<rte_ipv4_hdr*>(ether + 1);
  if (ip->time_to_live < 2) return false;
  ip->time_to_live = static_cast<std::uint8_t>(ip->time_to_live - 1);
  // The TTL is the high byte of its 16-bit word: the word fell by 0x0100, so the sum rises by it.
  const std::uint32_t sum = std::uint32_t{ip->hdr_checksum} + RTE_BE16(0x0100);
  ip->hdr_checksum = static_cast<rte_be16_t>(sum + (sum >= 0xffff ? 1 : 0));
  ether->src_addr = from;
  ether->dst_addr = to;
  return true;
}

void transmit(std::uint16_t port, std::span<rte_mbuf*> packets, Totals& totals) {
  std::uint16_t sent = 0;
  const auto count = static_cast<std::uint16_t>(packets.size());
  for (unsigned tries = 0; sent < count && tries < kTransmitTries; ++tries) {
    sent = static_cast<std::uint16_t>(
        sent + rte_eth_tx_burst(port, 0, &packets[sent], static_cast<std::uint16_t>(count - sent)));
  }
  totals.sent += sent;
  totals.dropped += static_cast<std::uint64_t>(count - sent);
  if (sent < count) rte_pktmbuf_free_bulk(&packets[sent], static_cast<unsigned>(count - sent));
}

// One burst from one port to the other; the number received.
std::uint16_t forward_burst(std::uint16_t in, const Options& options,
                            std::span<const rte_ether_addr, kPorts> own_mac, Totals& totals) {
  std::array<rte_mbuf*, kMaxBurstPackets> received;
  std::array<rte_mbuf*, kMaxBurstPackets> forwarded;
  const auto out = static_cast<std::uint16_t>(1 - in);
  const std::uint16_t count = rte_eth_rx_burst(in, 0, received.data(), options.burst_packets);
  if (count == 0) return 0;
  totals.received += count;
  std::size_t kept = 0;
  for (std::size_t i = 0; i < count; ++i) {
    if (forward_one_hop(*received[i], own_mac[out], *options.next_mac[out])) {
      forwarded[kept++] = received[i];
    } else {
      rte_pktmbuf_free(received[i]);
      ++totals.dropped;
    }
  }
  if (kept > 0) transmit(out, {forwarded.data(), kept}, totals);
  return count;
}

Totals forward_until_stopped(const Options& options) {
  std::array<rte_ether_addr, kPorts> own_mac{};
  for (std::uint16_t port = 0; port < kPorts; ++port) rte_eth_macaddr_get(port, &own_mac[port]);
  const timespec nap{0, static_cast<long>(options.sleep_us) * 1000};
  Totals totals;
  unsigned empty_rounds = 0;
  while (stop_requested == 0) {
    const unsigned moved = static_cast<unsigned>(forward_burst(0, options, own_mac, totals)) +
                           forward_burst(1, options, own_mac, totals);
    empty_rounds = moved == 0 ? empty_rounds + 1 : 0;
    if (empty_rounds < kEmptyRoundsBeforeSleep || options.sleep_us == 0) {
      if (moved == 0) rte_pause();
      continue;
    }
    ++totals.sleeps;
    clock_nanosleep(CLOCK_MONOTONIC, 0, &nap, nullptr);
  }
  return totals;
}

int run(int argc, char** argv) {
  const int eal_arguments = rte_eal_init(argc, argv);
  if (eal_arguments < 0) die("EAL did not start: see the lines above", "");
  const Options options =
      parse_options({argv + eal_arguments + 1, static_cast<std::size_t>(argc - eal_arguments - 1)});
  if (rte_eth_dev_count_avail() != kPorts) die("exactly two ports are needed (two --vdev)", "");
  rte_mempool* pool = rte_pktmbuf_pool_create("packets", kPoolPackets, 256, 0,
                                              RTE_MBUF_DEFAULT_BUF_SIZE, SOCKET_ID_ANY);
  if (pool == nullptr) die("no memory for the packet pool", "");
  for (std::uint16_t port = 0; port < kPorts; ++port) start_port(port, pool);
  // Sleeps of 50 us stay 50 us: the default timer slack would add as much again.
  prctl(PR_SET_TIMERSLACK, 1UL, 0UL, 0UL, 0UL);
  for (const int number : {SIGINT, SIGTERM}) {
    std::signal(number, [](int) { stop_requested = 1; });
  }
  std::puts("plain_forward: ready");
  std::fflush(stdout);
  const Totals totals = forward_until_stopped(options);
  for (std::uint16_t port = 0; port < kPorts; ++port) {
    rte_eth_dev_stop(port);
    rte_eth_dev_close(port);
  }
  std::printf("received %lu sent %lu dropped %lu sleeps %lu\n", totals.received, totals.sent,
              totals.dropped, totals.sleeps);
  rte_eal_cleanup();
  return 0;
}

}  // namespace
}  // namespace culvert

int main(int argc, char** argv) {
  return culvert::run(argc, argv);
}
