// SPDX-License-Identifier: BSD-3-Clause
#include "control/config_ports.h"

#include <fmt/format.h>
#include <net/if.h>

#include <algorithm>
#include <array>
#include <cctype>
#include <utility>

#include "control/address_text.h"
#include "dataplane/net/ip.h"

namespace culvert {
namespace {

constexpr std::size_t kLongestName = IFNAMSIZ - 1;
constexpr std::size_t kLongestDevice = sizeof(PortConfig::device) - 1;
// RFC 791 3.2 wants 68. Above 9600 a frame and its ESP headers leave one segment.
constexpr std::int64_t kLeastMtu = 68;
constexpr std::uint16_t kLeastIpv6Mtu = 1280;  // RFC 8200 5
constexpr std::int64_t kMostMtu = 9600;
constexpr std::int64_t kMostQueues = kMaxWorkers;

constexpr std::string_view kLoopback = "lo";
// The others have their place under net.ipv4.conf.
constexpr std::array<std::string_view, 3> kReservedNames = {kLoopback, "all", "default"};

// What the kernel takes as the name of an interface, and nothing that a shell or a table trips
// over.
bool is_interface_name(std::string_view name) {
  const auto is_plain = [](unsigned char letter) {
    return std::isalnum(letter) != 0 || letter == '_' || letter == '-' || letter == '.' ||
           letter == '@';
  };
  return !name.empty() && name.size() <= kLongestName && name != "." && name != ".." &&
         std::all_of(name.begin(), name.end(), is_plain);
}

bool is_hex(std::string_view digits) {
  return std::all_of(digits.begin(), digits.end(),
                     [](unsigned char digit) { return std::isxdigit(digit) != 0; });
}

// "0000:3b:00.0" or "3b:00.0"
bool is_pci_address(std::string_view text) {
  if (text.size() > 7 && text[text.size() - 8] == ':') {
    const std::string_view domain = text.substr(0, text.size() - 8);
    if (domain.size() < 4 || domain.size() > 8 || !is_hex(domain)) return false;
    text = text.substr(text.size() - 7);
  }
  return text.size() == 7 && is_hex(text.substr(0, 2)) && text[2] == ':' &&
         is_hex(text.substr(3, 2)) && text[5] == '.' && text[6] >= '0' && text[6] <= '7';
}

// The first and the last address of an IPv4 network are no host's (RFC 1122 3.2.1.3), unless it has
// only two (RFC 3021 2.1).
bool is_network_or_broadcast(const AddressPrefix& own) {
  if (own.family != Family::v4 || own.prefix_bits >= 31) return false;
  const std::uint32_t host_bits = ~std::uint32_t{0} >> own.prefix_bits;
  const std::uint32_t host = host_address(own.address.v4()).raw() & host_bits;
  return host == 0 || host == host_bits;
}

class PortReader {
 public:
  PortReader(ConfigErrors& errors, Config& config) : errors_(errors), config_(config) {}

  void read_port(const toml::table& section);

 private:
  void read_name(ConfigTable& table, ConfigPort& port);
  void read_device(ConfigTable& table, ConfigPort& port);
  void read_vlan(ConfigTable& table, ConfigPort& port);
  void read_queues(ConfigTable& table, ConfigPort& port);
  void read_addresses(ConfigTable& table, ConfigPort& port);

  ConfigErrors& errors_;
  Config& config_;
  std::vector<std::string> port_names_;  // also of ports with faults, for better messages
};

void PortReader::read_name(ConfigTable& table, ConfigPort& port) {
  const auto name = table.required_text("name");
  if (!name) return;
  port.name = name->value;
  if (!is_interface_name(port.name)) {
    errors_.add(*name->node, fmt::format("name \"{}\": must be 1 to {} letters, digits, '_', '-' "
                                         "or '.', as its mirror in Linux has this name",
                                         port.name, kLongestName));
  } else if (std::ranges::find(kReservedNames, port.name) != kReservedNames.end()) {
    errors_.add(
        *name->node,
        fmt::format("name \"{}\": Linux has it for itself, so no mirror can have it; {} are "
                    "reserved",
                    port.name, fmt::join(kReservedNames, ", ")));
  } else if (std::find(port_names_.begin(), port_names_.end(), port.name) != port_names_.end()) {
    errors_.add(*name->node, fmt::format("name \"{}\": another port has it", port.name));
  }
  port_names_.push_back(port.name);
}

void PortReader::read_device(ConfigTable& table, ConfigPort& port) {
  const auto device = table.required_text("device");
  if (!device) return;
  port.device = device->value;
  port.kind = is_dpdk_device(port.device) ? PortKind::dpdk_device : PortKind::linux_interface;
  if (port.kind == PortKind::linux_interface && !is_interface_name(port.device)) {
    errors_.add(*device->node,
                fmt::format("device \"{}\": must be a Linux interface (1 to {} letters, digits, "
                            "'_', '-' or '.') or a DPDK device such as \"0000:3b:00.0\" or "
                            "\"net_memif0,role=client\"",
                            port.device, kLongestName));
  } else if (port.device == kLoopback) {
    errors_.add(*device->node, "device \"lo\": the loopback interface cannot be a port");
  } else if (port.device.size() > kLongestDevice) {
    errors_.add(*device->node, fmt::format("device: {} bytes long, at most {} are allowed",
                                           port.device.size(), kLongestDevice));
  }
  for (const ConfigPort& other : config_.ports) {
    if (other.device != port.device) continue;
    errors_.add(*device->node,
                fmt::format("device \"{}\": port \"{}\" has it already", port.device, other.name));
  }
}

// A port that is a VLAN of another one, which has the device.
void PortReader::read_vlan(ConfigTable& table, ConfigPort& port) {
  port.kind = PortKind::vlan;
  const auto parent = table.required_text("parent");
  const auto vlan = table.integer("vlan", {1, kMostVlan, "as a VLAN ID"});
  if (!vlan) {
    if (!table.table().contains("vlan")) {
      errors_.add(table.table(), "vlan: missing, a port with a parent needs one, 1 to 4094");
    }
    return;
  }
  if (!parent) return;
  port.vlan = static_cast<std::uint16_t>(*vlan);
  port.device = fmt::format("{} vlan {}", parent->value, port.vlan);
  const auto named = std::ranges::find(config_.ports, parent->value, &ConfigPort::name);
  if (named == config_.ports.end() || named->vlan != 0) {
    errors_.add(*parent->node, fmt::format("parent \"{}\": must be the name of a port above this "
                                           "one that has a device",
                                           parent->value));
    return;
  }
  port.parent = static_cast<std::uint16_t>(named - config_.ports.begin());
  port.mtu = named->mtu;
  for (const ConfigPort& other : config_.ports) {
    if (other.vlan != port.vlan || other.parent != port.parent) continue;
    errors_.add(*table.table().get("vlan"),
                fmt::format("vlan {}: port \"{}\" has it already", port.vlan, other.name));
  }
}

void PortReader::read_queues(ConfigTable& table, ConfigPort& port) {
  if (const auto text = table.text("mac")) {
    port.mac = unicast_mac(*text, errors_);
    const auto other = std::ranges::find(config_.ports, port.mac, &ConfigPort::mac);
    if (port.mac && other != config_.ports.end()) {
      errors_.add(*text->node,
                  fmt::format("mac \"{}\": port \"{}\" has it already", text->value, other->name));
    }
  }
  if (const auto queues = table.integer("rx_queues", {1, kMostQueues, "receive queues"})) {
    port.rx_queues = static_cast<std::uint16_t>(*queues);
  }
  if (const auto size = table.integer("ring_size", {64, 32768, "descriptors"})) {
    port.ring_size = static_cast<std::uint32_t>(*size);
  }
}

void PortReader::read_addresses(ConfigTable& table, ConfigPort& port) {
  for (const ConfigText& text : table.texts("addresses")) {
    const auto prefix = parse_prefix(text.value);
    if (!prefix || text.value.find('/') == std::string::npos) {
      errors_.add(*text.node, fmt::format("addresses \"{}\": must be an IPv4 or IPv6 address with "
                                          "its prefix length, such as \"192.0.2.1/24\" or "
                                          "\"2001:db8::1/64\"",
                                          text.value));
      continue;
    }
    const AddressPrefix address{prefix->family, prefix->prefix_bits, prefix->address};
    if (!is_host_address(address.family, address.address)) {
      errors_.add(*text.node,
                  fmt::format("addresses \"{}\": must be a unicast address, not in 0.0.0.0/8, "
                              "127.0.0.0/8 or above 223.255.255.255, nor ::, ::1 or in ff00::/8",
                              text.value));
    } else if (is_network_or_broadcast(address)) {
      errors_.add(*text.node, fmt::format("addresses \"{}\": is the network's own or its broadcast "
                                          "address, must be one between",
                                          text.value));
    } else if (is_own_address(config_, address.family, address.address) ||
               std::any_of(port.addresses.begin(), port.addresses.end(), [&](const auto& other) {
                 return other.family == address.family && other.address == address.address;
               })) {
      errors_.add(*text.node, fmt::format("addresses \"{}\": given twice", text.value));
    } else {
      port.addresses.push_back(address);
    }
  }
}

void PortReader::read_port(const toml::table& section) {
  ConfigTable table(section, "[[port]]", errors_);
  if (config_.ports.size() == kMaxPorts) {
    errors_.add(section, fmt::format("[[port]]: more than {} ports", kMaxPorts));
    return;
  }
  ConfigPort port;
  read_name(table, port);
  const bool is_vlan = section.contains("parent") || section.contains("vlan");
  if (is_vlan) {
    read_vlan(table, port);
  } else {
    read_device(table, port);
    read_queues(table, port);
    table.mention({"parent", "vlan"});
  }
  read_addresses(table, port);
  if (const auto mtu = table.integer("mtu", {kLeastMtu, kMostMtu, "bytes of IP packet"})) {
    if (is_vlan && *mtu > port.mtu) {
      errors_.add(*section.get("mtu"),
                  fmt::format("mtu {}: must be at most the parent's, {}", *mtu, port.mtu));
    }
    port.mtu = static_cast<std::uint16_t>(*mtu);
  }
  const bool has_ipv6 = std::ranges::any_of(
      port.addresses, [](const AddressPrefix& address) { return address.family == Family::v6; });
  if (has_ipv6 && port.mtu < kLeastIpv6Mtu) {
    errors_.add(section, fmt::format("mtu {}: must be at least {} where a port has IPv6 addresses",
                                     port.mtu, kLeastIpv6Mtu));
  }
  table.finish();
  config_.ports.push_back(std::move(port));
}

}  // namespace

bool is_host_address(Family family, const IpAddress& address) {
  if (family == Family::v6) return is_one_host(address.bytes) || is_link_local(address.bytes);
  return is_one_host(host_address(address.v4()));
}

bool is_own_address(const Config& config, Family family, const IpAddress& address) {
  if (family == Family::v6 && is_link_local(address.bytes)) return false;
  for (const ConfigPort& port : config.ports) {
    for (const AddressPrefix& own : port.addresses) {
      if (own.family == family && own.address == address) return true;
    }
  }
  return false;
}

std::optional<MacBytes> unicast_mac(const ConfigText& text, ConfigErrors& errors) {
  const auto mac = parse_mac(text.value);
  if (!mac) {
    errors.add(*text.node, fmt::format("mac \"{}\": must be six pairs of hexadecimal digits, such "
                                       "as \"02:00:00:00:00:01\"",
                                       text.value));
    return std::nullopt;
  }
  if ((mac->front() & 1) != 0 || *mac == MacBytes{}) {
    errors.add(*text.node,
               fmt::format("mac \"{}\": must be a unicast address (first byte even) and not zero",
                           text.value));
    return std::nullopt;
  }
  return mac;
}

bool is_dpdk_device(std::string_view device) {
  const std::string_view name = device.substr(0, device.find(','));
  return is_pci_address(name) || device.find(',') != std::string_view::npos ||
         device.find("net_") == 0 || device.find(":net_") != std::string_view::npos;
}

void read_ports(ConfigTable& file, ConfigErrors& errors, Config& config) {
  PortReader reader(errors, config);
  const auto ports = file.sections("port");
  if (ports.empty()) errors.add(file.table(), "no [[port]]: at least one is needed");
  for (const toml::table* section : ports) reader.read_port(*section);
}

}  // namespace culvert
