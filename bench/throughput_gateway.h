// SPDX-License-Identifier: BSD-3-Clause
//
// The gateway that bench/throughput measures: a whole dataplane in this process, on two ports that
// are rings in memory, and the control side that fills its tables by requests as any other would.
#pragma once

#include <rte_ring.h>

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "crypto/transform.h"
#include "dataplane/dataplane.h"
#include "dataplane/net/ethernet.h"
#include "dataplane/net/types.h"
#include "dataplane/shm/regions.h"
#include "dataplane/shm/ring.h"

namespace culvert {

inline constexpr std::uint32_t kMaxTunnels = 1000;         // between networks
inline constexpr std::uint32_t kMaxHostTunnels = 4 << 20;  // to hosts

// What lies behind tunnel number i.
enum class Sites : std::uint8_t {
  networks,  // 10.a.b.0/24 there talks to 172.(16 + a).b.0/24 here, with i = 256 a + b
  hosts,     // the host 10.0.0.1 + i there talks to 172.16.0.0/12 here
};
// The SAs of a tunnel that the gateway has, and their policies.
enum class Ends : std::uint8_t { both, outbound, inbound };

// All in host byte order.
[[nodiscard]] Ipv4Address remote_host(Sites sites, std::uint32_t site);
[[nodiscard]] Ipv4Address local_host(Sites sites, std::uint32_t site);
inline constexpr Ipv4Address kOwnAddress{0xc0000201};        // 192.0.2.1, on the port "wan"
inline constexpr Ipv4Address kPeerAddress{0xc0000202};       // 192.0.2.2
inline constexpr Ipv4Address kLanAddress{0xc6336401};        // 198.51.100.1, on the port "lan"
inline constexpr Ipv4Address kLanRouterAddress{0xc6336402};  // 198.51.100.2
inline constexpr Ipv6Address kOwnAddress6{0x20, 0x01, 0x0d, 0xb8, 0, 0, 0, 0,
                                          0,    0,    0,    0,    0, 0, 0, 1};
inline constexpr Ipv6Address kPeerAddress6{0x20, 0x01, 0x0d, 0xb8, 0, 0, 0, 0,
                                           0,    0,    0,    0,    0, 0, 0, 2};
inline constexpr MacAddress kLanMac{{0x02, 0, 0, 0, 0, 0x01}};
inline constexpr MacAddress kWanMac{{0x02, 0, 0, 0, 0, 0x02}};
inline constexpr MacAddress kLanRouterMac{{0x02, 0, 0, 0, 1, 0x01}};
inline constexpr MacAddress kPeerMac{{0x02, 0, 0, 0, 1, 0x02}};

// What peers of a mixed gateway ask for: the tunnels have one after the other.
inline constexpr std::array kMixedTransforms = {
    TransformId::aes128_gcm16,
    TransformId::aes256_gcm16,
    TransformId::chacha20_poly1305,
    transform_of(Cipher::aes128_cbc, Integrity::hmac_sha1_96),
    transform_of(Cipher::aes128_cbc, Integrity::hmac_sha256_128),
    transform_of(Cipher::aes256_cbc, Integrity::hmac_sha256_128),
    transform_of(Cipher::aes256_cbc, Integrity::hmac_sha512_256),
    TransformId::aes128_ccm16,
};

// Tunnels that are alike but for addresses, SPI and key, and transform where there is a mix.
struct TunnelKind {
  TransformId transform = TransformId::none;  // none: kMixedTransforms
  std::uint32_t count = 1;
  std::uint32_t sa_flags = 0;  // kSaEsn, kSaUdpEncap
  Sites sites = Sites::networks;
  Ends ends = Ends::both;
  Family family = Family::v4;  // of the outer header
  std::uint32_t replay_window = 64;

  [[nodiscard]] bool is_mixed() const { return transform == TransformId::none; }
  [[nodiscard]] TransformId transform_of(std::uint32_t tunnel) const {
    return is_mixed() ? kMixedTransforms[tunnel % kMixedTransforms.size()] : transform;
  }
};

// SPI of both SAs of a tunnel, and their key with salt. One key in both directions, as the bench
// plays both ends and sends nothing anywhere.
[[nodiscard]] Spi spi_of(std::uint32_t tunnel);
[[nodiscard]] std::vector<std::byte> key_material(TransformId transform, std::uint32_t tunnel);

class ThroughputGateway {
 public:
  enum class Side : std::size_t { lan = 0, wan = 1 };
  struct Settings {
    std::uint16_t core = 0;     // of worker 0; the others have those that follow
    std::uint16_t workers = 1;  // each port has a queue for each of them
    std::uint8_t use_huge_pages = 1;
    std::uint32_t max_sas = 4096;  // as many policies
  };

  ThroughputGateway();
  ~ThroughputGateway();
  ThroughputGateway(const ThroughputGateway&) = delete;
  ThroughputGateway& operator=(const ThroughputGateway&) = delete;

  // Starts the EAL and everything up to the workers, and pins the calling thread. All is for that
  // thread alone but worker(i), its rings and its device queues, which another one may have.
  // Returns what went wrong, or an empty string.
  [[nodiscard]] std::string start(const Settings& settings);

  // Puts `kind.count` tunnels, their policies (100 at least) in place of those there were.
  [[nodiscard]] std::string set_tunnels(const TunnelKind& kind);

  [[nodiscard]] Worker& worker(std::uint16_t number = 0) { return dataplane_.worker(number); }
  [[nodiscard]] rte_mempool& pool() { return dataplane_.pool(); }
  [[nodiscard]] const DataplaneStatus& status() { return dataplane_.status(); }
  // What the worker receives from and sends to.
  [[nodiscard]] rte_ring& into(Side side, std::uint16_t worker) {
    return *rings_[index_of_side(side)].in[worker];
  }
  [[nodiscard]] rte_ring& out_of(Side side, std::uint16_t worker) {
    return *rings_[index_of_side(side)].out[worker];
  }
  [[nodiscard]] std::uint16_t device(Side side) {
    return dataplane_.ports()[index_of_side(side)].device;
  }

  // For tests that play a control gone mad: its side of shared memory, and the whole dataplane.
  [[nodiscard]] Regions& control_side() { return control_side_; }
  [[nodiscard]] Dataplane& dataplane() { return dataplane_; }
  // As a control that starts anew: takes the rings up where the dataplane is.
  void take_rings_up();

  // All that the worker dropped so far, "name count" each; empty when nothing.
  [[nodiscard]] std::string drops();

 private:
  struct PortRings {  // by worker
    std::vector<rte_ring*> in;
    std::vector<rte_ring*> out;
  };
  static constexpr std::size_t index_of_side(Side side) { return static_cast<std::size_t>(side); }

  [[nodiscard]] std::string open_ports();
  [[nodiscard]] std::string set_network();
  void ask(Request request);
  [[nodiscard]] std::string settle();
  void remove_tunnels();
  // Index of a tunnel's inbound SA, or of a site's inbound policy; outbound ones have its number.
  [[nodiscard]] std::uint32_t inbound_index(std::uint32_t number) const;
  [[nodiscard]] IpAddress own_end() const;
  [[nodiscard]] IpAddress peer_end() const;
  void add_tunnel(std::uint32_t tunnel);
  void add_policies(std::uint32_t site);
  void add_sa(std::uint32_t index, const SaSpec& spec, std::span<const std::byte> key);
  void set_policy(std::uint32_t index, PolicySpec spec);

  Descriptors descriptors_{};
  Regions dataplane_side_;
  Regions control_side_;
  Dataplane dataplane_;
  std::array<PortRings, 2> rings_{};
  std::unique_ptr<RingWriter<Request>> requests_;
  std::unique_ptr<RingReader<Completion>> completions_;
  std::uint64_t asked_ = 0;
  std::uint64_t answered_ = 0;
  std::uint32_t generation_ = 0;
  std::uint32_t max_sas_ = 0;
  std::uint16_t workers_ = 1;
  TunnelKind kind_{.count = 0};
  std::uint32_t policies_ = 0;  // of each direction that has some
  std::string refused_;
};

}  // namespace culvert
