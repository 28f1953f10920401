// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <array>
#include <cerrno>
#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "control/df_bit.h"
#include "control/policy.h"
#include "control/route_hop.h"
#include "dataplane/shm/layout.h"

// The configuration file (TOML). It is read and validated whole; who holds a `const Config` holds
// one that is right.

namespace culvert {

// An address and the prefix it lies in, for example 192.0.2.1/24. Host bits are kept.
struct AddressPrefix {
  Family family = Family::none;
  std::uint8_t prefix_bits = 0;
  IpAddress address;
  friend bool operator==(const AddressPrefix&, const AddressPrefix&) = default;
};

using MacBytes = std::array<std::uint8_t, 6>;

// One [[port]]. Its place in Config::ports is its PortId.
struct ConfigPort {
  std::string name;                           // also the mirror's, at most 15 bytes
  std::string device;                         // a Linux interface or a DPDK device string
  PortKind kind = PortKind::linux_interface;  // follows from `device`
  std::optional<MacBytes> mac;
  std::vector<AddressPrefix> addresses;
  std::uint16_t mtu = 1500;
  std::uint16_t rx_queues = 0;  // 0: as many as there are workers and the device has
  std::uint32_t ring_size = 0;  // descriptors, 0: the device's choice
  std::uint16_t vlan = 0;       // 802.1Q VLAN ID; 0: a port of its own
  std::uint16_t parent = 0;     // with a VLAN: index into Config::ports
};

struct ConfigRoute {
  AddressPrefix prefix;  // host bits are zero
  RouteKind kind = RouteKind::unicast;
  std::vector<RouteHop> hops;  // at least one, of a blackhole none
};

struct ConfigNeighbor {
  Family family = Family::none;
  IpAddress address;
  MacBytes mac{};
  std::uint16_t port = 0;  // index into Config::ports
};

enum class LogLevel { debug, info, warn, error };

struct Config {
  std::filesystem::path file;  // absolute

  // [dataplane]
  std::vector<std::uint16_t> cores;  // CPU numbers, one worker each
  std::uint32_t max_sas = 65536;
  std::uint32_t max_policies = 65536;
  PollMode poll = PollMode::adaptive;
  bool huge_pages = true;   // where the system grants them
  bool af_xdp = true;       // for Linux interfaces, before AF_PACKET
  std::uint32_t mbufs = 0;  // 0: chosen from ports and queues

  std::vector<ConfigPort> ports;
  std::vector<ConfigRoute> routes;
  std::vector<ConfigNeighbor> neighbors;

  // [xfrm]
  std::vector<std::filesystem::path> batch_files;  // absolute
  bool spreads_xfrm_policies = false;              // over all SAs, not the newest alone

  // [esp]
  std::uint32_t replay_window = kMinReplayWindow;  // floor for every inbound SA; 0: none
  std::uint64_t window_slots = 0;                  // for windows above 64, in 64-bit words
  bool splits_after_esp = false;                   // packets without DF, rather than before
  std::uint16_t mss = kMssAuto;                    // of StartConfig
  std::uint16_t fragment_patience_ms = 2000;       // that fragments wait for the rest
  DfBit df = DfBit::copy;                          // of outer IPv4 headers
  std::uint16_t nat_keepalive_seconds = 0;         // of SAs that name none; 0: none
  bool follows_peers = false;                      // behind NATs, to where they moved
  std::uint16_t dummies_per_second = 0;            // of each outbound SA (RFC 4303 2.6)
  std::uint64_t idle_timeout_seconds = 0;          // SAs unused for so long go; 0: they stay
  std::uint8_t allowed_transforms = 0;             // kNeeds... of crypto/transform.h

  // [policy]
  PolicyAction default_policy = PolicyAction::discard;
  std::vector<Policy> policies;  // [[policy.entry]]

  // [log]
  LogLevel log_level = LogLevel::info;
  bool audits = true;  // auditable drops become events

  // [control]
  std::string group;                // whose members may use the sockets; empty: root only
  std::filesystem::path state_dir;  // floors of manual keys; empty: /var/lib/culvert/INSTANCE
};

// One thing that is wrong in a configuration file.
struct ConfigError {
  std::string file;
  std::uint32_t line = 0;    // from 1; 0: the file as a whole
  std::uint32_t column = 0;  // from 1
  std::string message;       // what is wrong, the value, what is allowed
  int code = EINVAL;         // EACCES: a file may not be read

  // "gw.toml:7:8: mtu 12: must be 576 to 9600"
  [[nodiscard]] std::string text() const;
};

// Facts of this machine that a configuration is checked against.
struct Machine {
  std::vector<std::uint16_t> cores;  // CPU numbers that this process may use
  std::uint64_t memory_bytes = 0;
};
[[nodiscard]] Machine this_machine();
// For configurations that are only replayed here: every CPU number is allowed.
[[nodiscard]] Machine any_machine();

// `config` is set exactly when `errors` is empty.
struct ConfigResult {
  std::optional<Config> config;
  std::vector<ConfigError> errors;  // in the file's order
};

// EACCES when one of them is that, else EINVAL.
[[nodiscard]] int code_of(const std::vector<ConfigError>& errors);

// Reads the file; a file that cannot be read is an error like any other.
[[nodiscard]] ConfigResult load_config(const std::filesystem::path& file, const Machine& machine);
// The same for text that is at hand; `file` is what messages call it and what paths are relative
// to.
[[nodiscard]] ConfigResult parse_config(std::string_view text, const std::filesystem::path& file,
                                        const Machine& machine);

[[nodiscard]] RegionSizes region_sizes(const Config& config);
[[nodiscard]] StartConfig start_config(const Config& config, std::string_view instance_name);

// The floor of /var/lib/culvert/INSTANCE where the file names no state_dir.
[[nodiscard]] std::filesystem::path state_dir(const Config& config, std::string_view instance_name);
// The file of KeyFloors in there.
[[nodiscard]] std::filesystem::path floor_file(const Config& config,
                                               std::string_view instance_name);

}  // namespace culvert
