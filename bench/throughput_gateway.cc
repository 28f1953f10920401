// SPDX-License-Identifier: BSD-3-Clause
#include "bench/throughput_gateway.h"

#include <rte_eth_ring.h>
#include <rte_ethdev.h>
#include <sched.h>
#include <unistd.h>

#include <algorithm>
#include <cstring>
#include <random>

#include "dataplane/devices.h"

namespace culvert {
namespace {

constexpr std::uint32_t kRoutes = 1000;  // of each side
constexpr std::uint32_t kLeastPolicies = 100;
constexpr std::uint16_t kPortMtu = 1600;  // ESP of 1420 bytes in UDP over IPv6 takes 1504
constexpr unsigned kPortRingSize = 1024;
constexpr std::uint64_t kWindowSlots = 4096;
constexpr std::uint32_t kBuffersOfAWorker = 8192;
constexpr std::uint64_t kHashSecret = 0x9e3779b97f4a7c15;  // fixed: runs are alike

Ipv4Address network_of_host(Ipv4Address host) {
  return Ipv4Address{host.raw() & 0xffffff00};
}

IpAddress wire_ip(Ipv4Address address) {
  return IpAddress::v4(wire_address(address));
}

template <std::size_t N>
void copy_text(std::string_view text, std::array<char, N>& to) {
  std::memcpy(to.data(), text.data(), std::min(text.size(), N - 1));
}

PortConfig port_config(std::string_view name, const MacAddress& mac) {
  PortConfig config;
  copy_text(name, config.name);
  copy_text(std::string("net_ring_") + std::string(name), config.device);
  config.mac = mac.bytes;
  config.has_mac = 1;
  config.mtu = kPortMtu;
  config.kind = PortKind::dpdk_device;
  return config;
}

std::string pin_to(std::uint16_t core) {
  cpu_set_t cores;
  CPU_ZERO(&cores);
  CPU_SET(core, &cores);
  if (sched_setaffinity(0, sizeof cores, &cores) == 0) return {};
  return "cannot run on core " + std::to_string(core) + ": " + std::strerror(errno);
}

struct Network {
  Ipv4Address address;
  std::uint8_t bits = 0;
};
constexpr Network kAllRemote{Ipv4Address{0x0a000000}, 8};
constexpr Network kAllLocal{Ipv4Address{0xac100000}, 12};

Network remote_network(Sites sites, std::uint32_t site) {
  const Ipv4Address host = remote_host(sites, site);
  return sites == Sites::hosts ? Network{host, 32} : Network{network_of_host(host), 24};
}
Network local_network(Sites sites, std::uint32_t site) {
  return sites == Sites::hosts ? kAllLocal : Network{network_of_host(local_host(sites, site)), 24};
}

Selector between(const Network& source, const Network& destination) {
  return {.family = Family::v4,
          .src_prefix_bits = source.bits,
          .dst_prefix_bits = destination.bits,
          .src = wire_ip(source.address),
          .dst = wire_ip(destination.address)};
}

}  // namespace

Ipv4Address remote_host(Sites sites, std::uint32_t site) {
  return Ipv4Address{sites == Sites::hosts ? 0x0a000001 + site : 0x0a000000 + (site << 8) + 10};
}
Ipv4Address local_host(Sites sites, std::uint32_t site) {
  return Ipv4Address{sites == Sites::hosts ? 0xac10000a : 0xac100000 + (site << 8) + 10};
}

Spi spi_of(std::uint32_t tunnel) {
  return Spi{0x1000 + tunnel};
}

std::vector<std::byte> key_material(TransformId transform, std::uint32_t tunnel) {
  const TransformInfo& info = *transform_info(transform);
  std::vector<std::byte> material(info.material_bytes());
  std::minstd_rand random(tunnel + 1);
  for (std::byte& byte : material) byte = static_cast<std::byte>(random() >> 16);
  return material;
}

ThroughputGateway::ThroughputGateway() {
  descriptors_.fill(-1);
}

ThroughputGateway::~ThroughputGateway() {
  for (const int descriptor : descriptors_) {
    if (descriptor >= 0) close(descriptor);
  }
}

std::string ThroughputGateway::start(const Settings& settings) {
  StartConfig config;
  workers_ = settings.workers;
  config.worker_count = workers_;
  for (std::uint16_t i = 0; i < workers_; ++i) {
    config.worker_cores[i] = static_cast<std::uint16_t>(settings.core + i);
  }
  if (workers_ > 1) config.mbuf_count = workers_ * kBuffersOfAWorker;
  config.poll = PollMode::busy;
  config.default_policy = PolicyAction::bypass;  // what was opened leaves to the LAN by it
  config.use_huge_pages = settings.use_huge_pages;
  config.port_count = 2;
  config.ports[index_of_side(Side::lan)] = port_config("lan", kLanMac);
  config.ports[index_of_side(Side::wan)] = port_config("wan", kWanMac);
  max_sas_ = settings.max_sas;
  const RegionSizes sizes{
      .max_sas = max_sas_, .max_policies = max_sas_, .window_slots = kWindowSlots};
  std::string error = create_regions(sizes, config, descriptors_);
  if (error.empty()) error = dataplane_side_.attach(descriptors_, culvert::Side::dataplane);
  if (error.empty()) error = control_side_.attach(descriptors_, culvert::Side::control);
  if (error.empty()) {
    error = dataplane_.prepare(dataplane_side_, {.use = EalUse::gateway, .secret = kHashSecret});
  }
  if (error.empty()) error = open_ports();
  if (error.empty()) {
    error =
        dataplane_.make_workers({}, descriptor_of(descriptors_, Descriptor::request_bell),
                                descriptor_of(descriptors_, Descriptor::state_bell), [](Packet) {});
  }
  if (error.empty()) error = start_devices(dataplane_.ports());
  if (error.empty()) error = pin_to(settings.core);
  if (!error.empty()) return error;

  take_rings_up();
  return set_network();
}

void ThroughputGateway::take_rings_up() {
  RequestsHead& requests = control_side_.requests();
  StateHead& state = control_side_.state();
  asked_ = state.requests_consumed.load(std::memory_order_acquire);
  answered_ = asked_;
  requests.requests_produced.store(asked_, std::memory_order_release);
  requests.completions_consumed.store(state.completions_produced.load(std::memory_order_acquire),
                                      std::memory_order_release);
  requests_ = std::make_unique<RingWriter<Request>>(requests.requests, requests.requests_produced,
                                                    state.requests_consumed);
  completions_ = std::make_unique<RingReader<Completion>>(
      state.completions, state.completions_produced, requests.completions_consumed);
}

std::string ThroughputGateway::open_ports() {
  const auto ring = [](const std::string& name) {
    return rte_ring_create(name.c_str(), kPortRingSize, SOCKET_ID_ANY,
                           RING_F_SP_ENQ | RING_F_SC_DEQ);
  };
  for (const Side side : {Side::lan, Side::wan}) {
    const std::string name = dataplane_.start().ports[index_of_side(side)].name.data();
    PortRings& rings = rings_[index_of_side(side)];
    for (std::uint16_t i = 0; i < workers_; ++i) {
      rings.in.push_back(ring(name + "_in" + std::to_string(i)));
      rings.out.push_back(ring(name + "_out" + std::to_string(i)));
      if (rings.in.back() == nullptr || rings.out.back() == nullptr) {
        return "no memory for the rings of port " + name;
      }
    }
    if (rte_eth_from_rings(name.c_str(), rings.in.data(), workers_, rings.out.data(), workers_, 0) <
        0) {
      return "cannot make the in-memory port " + name;
    }
  }
  return open_devices(dataplane_.start(), dataplane_.pool(), dataplane_.ports(),
                      dataplane_.status().ports);
}

std::string ThroughputGateway::set_network() {
  constexpr auto kLan = static_cast<std::uint16_t>(Side::lan);
  constexpr auto kWan = static_cast<std::uint16_t>(Side::wan);
  const auto about = [](RequestOp op, std::uint16_t port, Ipv4Address address, std::uint8_t bits) {
    return Request{.op = op,
                   .family = Family::v4,
                   .prefix_bits = bits,
                   .port = port,
                   .address = wire_ip(address)};
  };
  ask(about(RequestOp::address_add, kLan, kLanAddress, 24));
  ask(about(RequestOp::address_add, kWan, kOwnAddress, 24));
  Request neighbor = about(RequestOp::neighbor_set, kLan, kLanRouterAddress, 32);
  neighbor.mac = kLanRouterMac.bytes;
  ask(neighbor);
  neighbor = about(RequestOp::neighbor_set, kWan, kPeerAddress, 32);
  neighbor.mac = kPeerMac.bytes;
  ask(neighbor);
  Request own = about(RequestOp::address_add, kWan, {}, 64);
  own.family = Family::v6;
  own.address = IpAddress{kOwnAddress6};
  ask(own);
  neighbor.family = Family::v6;
  neighbor.prefix_bits = 128;
  neighbor.address = IpAddress{kPeerAddress6};
  ask(neighbor);
  const auto add_route = [&](std::uint16_t port, const Network& network, Ipv4Address via) {
    Request route = about(RequestOp::route_add, port, network.address, network.bits);
    route.via = wire_ip(via);
    ask(route);
  };
  add_route(kWan, kAllRemote, kPeerAddress);
  add_route(kLan, kAllLocal, kLanRouterAddress);
  for (std::uint32_t site = 0; site < kRoutes; ++site) {
    add_route(kWan, remote_network(Sites::networks, site), kPeerAddress);
    add_route(kLan, local_network(Sites::networks, site), kLanRouterAddress);
  }
  ask({.op = RequestOp::commit});
  return settle();
}

void ThroughputGateway::ask(Request request) {
  request.sequence = ++asked_;
  while (!requests_->push(request)) {
    if (const std::string error = settle(); !error.empty()) refused_ = error;
  }
}

// Lets the housekeeper do what was asked for, and reads its answers.
std::string ThroughputGateway::settle() {
  while (answered_ < requests_->produced()) {
    dataplane_.housekeeper().run_once();
    Completion completion;
    while (completions_->pop(completion)) {
      ++answered_;
      if (completion.refusal != Refusal::none && refused_.empty()) {
        refused_ = "request " + std::to_string(completion.sequence) +
                   " refused: " + kRefusalText[static_cast<std::size_t>(completion.refusal)];
      }
    }
  }
  return refused_;
}

void ThroughputGateway::remove_tunnels() {
  for (std::uint32_t i = 0; i < policies_; ++i) {
    if (kind_.ends != Ends::inbound) {
      ask({.op = RequestOp::policy_delete, .index = i, .generation = generation_});
    }
    if (kind_.ends != Ends::outbound) {
      ask({.op = RequestOp::policy_delete, .index = inbound_index(i), .generation = generation_});
    }
  }
  for (std::uint32_t i = 0; i < kind_.count; ++i) {
    if (kind_.ends != Ends::inbound) {
      ask({.op = RequestOp::sa_delete, .index = i, .generation = generation_});
    }
    if (kind_.ends != Ends::outbound) {
      ask({.op = RequestOp::sa_delete, .index = inbound_index(i), .generation = generation_});
    }
  }
}

std::uint32_t ThroughputGateway::inbound_index(std::uint32_t number) const {
  return (kind_.ends == Ends::both ? max_sas_ / 2 : 0) + number;
}

std::string ThroughputGateway::set_tunnels(const TunnelKind& kind) {
  remove_tunnels();
  if (std::string error = settle(); !error.empty()) return error;
  ++generation_;
  kind_ = kind;
  policies_ = std::max(kind.count, kLeastPolicies);
  for (std::uint32_t i = 0; i < kind_.count; ++i) add_tunnel(i);
  for (std::uint32_t i = 0; i < policies_; ++i) add_policies(i);
  return settle();
}

IpAddress ThroughputGateway::own_end() const {
  return kind_.family == Family::v6 ? IpAddress{kOwnAddress6} : wire_ip(kOwnAddress);
}
IpAddress ThroughputGateway::peer_end() const {
  return kind_.family == Family::v6 ? IpAddress{kPeerAddress6} : wire_ip(kPeerAddress);
}

void ThroughputGateway::add_tunnel(std::uint32_t tunnel) {
  SaSpec spec{.generation = generation_,
              .direction = Direction::out,
              .mode = SaMode::tunnel,
              .transform = static_cast<std::uint8_t>(kind_.transform_of(tunnel)),
              .family = kind_.family,
              .spi = spi_of(tunnel).raw(),
              .flags = kind_.sa_flags,
              .reqid = tunnel + 1,
              .encap_src_port = Be16{4500},
              .encap_dst_port = Be16{4500},
              .src = own_end(),
              .dst = peer_end()};
  const std::vector<std::byte> key = key_material(kind_.transform_of(tunnel), tunnel);
  if (kind_.ends != Ends::inbound) add_sa(tunnel, spec, key);
  spec.direction = Direction::in;
  spec.replay_window = kind_.replay_window;
  std::swap(spec.src, spec.dst);
  if (kind_.ends != Ends::outbound) add_sa(inbound_index(tunnel), spec, key);
}

void ThroughputGateway::add_sa(std::uint32_t index, const SaSpec& spec,
                               std::span<const std::byte> key) {
  control_side_.sa_specs()[index] = spec;
  KeySlot& slot = control_side_.keys()[index];
  slot = {.generation = spec.generation, .key_bytes = static_cast<std::uint32_t>(key.size())};
  std::ranges::copy(key, slot.key.begin());
  ask({.op = RequestOp::sa_add, .index = index, .generation = spec.generation});
}

// Sites without a tunnel have policies too: their packets would be dropped.
void ThroughputGateway::add_policies(std::uint32_t site) {
  const Network local = local_network(kind_.sites, site);
  const Network remote = remote_network(kind_.sites, site);
  PolicySpec spec{.generation = generation_,
                  .direction = Direction::out,
                  .action = PolicyAction::protect,
                  .priority = 1000,
                  .reqid = site + 1,
                  .selector = between(local, remote)};
  if (site < kind_.count) {
    spec.sa_count = 1;
    spec.sas[0] = site;
  }
  if (kind_.ends != Ends::inbound) set_policy(site, spec);
  spec.direction = Direction::in;
  spec.sa_count = 0;
  spec.selector = between(remote, local);
  spec.template_src = peer_end();
  spec.template_dst = own_end();
  if (kind_.ends != Ends::outbound) set_policy(inbound_index(site), spec);
}

void ThroughputGateway::set_policy(std::uint32_t index, PolicySpec spec) {
  control_side_.policy_specs()[index] = spec;
  ask({.op = RequestOp::policy_set, .index = index, .generation = spec.generation});
}

std::string ThroughputGateway::drops() {
  std::string text;
  for (std::size_t i = 0; i < kDropReasons; ++i) {
    const std::uint64_t count = dataplane_.counters(0).drops[i].get();
    if (count != 0) text += std::string(kDropInfo[i].name) + " " + std::to_string(count) + " ";
  }
  return text;
}

}  // namespace culvert
