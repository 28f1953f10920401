// SPDX-License-Identifier: BSD-3-Clause
#include "control/netlink/ethtool_features.h"

#include <linux/ethtool.h>
#include <linux/sockios.h>
#include <net/if.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

#include <algorithm>
#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <memory>
#include <new>
#include <utility>

namespace culvert {
namespace {

// The kernel has 64 features; it says how many words it fills.
constexpr std::size_t kMaxWords = 8;
constexpr std::size_t kMaxFeatures = kMaxWords * 32;

Result<void> ethtool(int socket, const std::string& interface, void* command) {
  ifreq request{};
  if (interface.size() >= sizeof request.ifr_name) return Error{ENODEV, "name too long"};
  std::memcpy(request.ifr_name, interface.data(), interface.size());
  request.ifr_data = static_cast<char*>(command);
  if (::ioctl(socket, SIOCETHTOOL, &request) < 0) {
    const int code = errno;
    return Error{code, interface + ": offloads: " + std::strerror(code)};
  }
  return {};
}

// A command struct with its flexible array behind it.
template <typename Command>
class CommandBuffer {
 public:
  CommandBuffer(std::uint32_t command, std::size_t array_bytes)
      : bytes_(std::make_unique<std::byte[]>(sizeof(Command) + array_bytes)) {
    new (bytes_.get()) Command{};
    get().cmd = command;
  }
  Command& get() { return *std::launder(reinterpret_cast<Command*>(bytes_.get())); }

 private:
  std::unique_ptr<std::byte[]> bytes_;
};

// Names by bit number.
Result<std::vector<std::string>> feature_names(int socket, const std::string& interface) {
  CommandBuffer<ethtool_sset_info> info(ETHTOOL_GSSET_INFO, sizeof(std::uint32_t));
  info.get().sset_mask = 1ull << ETH_SS_FEATURES;
  if (auto done = ethtool(socket, interface, &info.get()); !done) return done.error();
  const std::size_t count =
      info.get().sset_mask == 0 ? 0 : std::min<std::size_t>(info.get().data[0], kMaxFeatures);

  CommandBuffer<ethtool_gstrings> strings(ETHTOOL_GSTRINGS, kMaxFeatures * ETH_GSTRING_LEN);
  strings.get().string_set = ETH_SS_FEATURES;
  strings.get().len = static_cast<std::uint32_t>(count);
  if (auto done = ethtool(socket, interface, &strings.get()); !done) return done.error();
  std::vector<std::string> names;
  for (std::size_t i = 0; i < count; ++i) {
    const auto* const text =
        reinterpret_cast<const char*>(strings.get().data) + i * ETH_GSTRING_LEN;
    names.emplace_back(text, ::strnlen(text, ETH_GSTRING_LEN));
  }
  return names;
}

struct Feature {
  std::string name;
  bool is_active = false;
  bool is_changeable = false;
};

Result<std::vector<Feature>> read_features(int socket, const std::string& interface) {
  auto names = feature_names(socket, interface);
  if (!names) return names.error();
  CommandBuffer<ethtool_gfeatures> command(ETHTOOL_GFEATURES,
                                           kMaxWords * sizeof(ethtool_get_features_block));
  command.get().size = kMaxWords;
  if (auto done = ethtool(socket, interface, &command.get()); !done) return done.error();
  std::vector<Feature> features;
  for (std::size_t i = 0; i < names->size(); ++i) {
    const ethtool_get_features_block& block = command.get().features[i / 32];
    const std::uint32_t bit = 1u << i % 32;
    features.push_back(
        {.name = std::move((*names)[i]),
         .is_active = (block.active & bit) != 0,
         .is_changeable = (block.available & bit) != 0 && (block.never_changed & bit) == 0});
  }
  return features;
}

enum class Setting : bool { off, on };

// Features without a name or that are fixed are left out: the kernel refuses the whole request.
Result<void> set_features(int socket, const std::string& interface,
                          const std::vector<Feature>& features,
                          const std::function<bool(const Feature&)>& is_chosen, Setting setting) {
  const std::size_t words = (features.size() + 31) / 32;
  CommandBuffer<ethtool_sfeatures> command(ETHTOOL_SFEATURES,
                                           kMaxWords * sizeof(ethtool_set_features_block));
  command.get().size = static_cast<std::uint32_t>(words);
  for (std::size_t i = 0; i < features.size(); ++i) {
    if (!features[i].is_changeable || !is_chosen(features[i])) continue;
    ethtool_set_features_block& block = command.get().features[i / 32];
    const std::uint32_t bit = 1u << i % 32;
    block.valid |= bit;
    if (setting == Setting::on) block.requested |= bit;
  }
  return ethtool(socket, interface, &command.get());
}

}  // namespace

Result<UniqueFd> open_ethtool_socket() {
  UniqueFd descriptor(::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0));
  if (!descriptor.is_open()) {
    const int code = errno;
    return Error{code, std::string("offloads: socket: ") + std::strerror(code)};
  }
  return descriptor;
}

Result<OffloadResult> turn_offloads_off(int ethtool_socket, const std::string& interface,
                                        const std::function<bool(std::string_view)>& is_unwanted) {
  const auto before = read_features(ethtool_socket, interface);
  if (!before) return before.error();
  const auto is_chosen = [&](const Feature& feature) {
    return feature.is_active && is_unwanted(feature.name);
  };
  const auto set = set_features(ethtool_socket, interface, *before, is_chosen, Setting::off);
  if (!set) return set.error();
  const auto after = read_features(ethtool_socket, interface);
  if (!after) return after.error();
  OffloadResult result;
  for (std::size_t i = 0; i < std::min(before->size(), after->size()); ++i) {
    const Feature& feature = (*before)[i];
    if (feature.is_active && !(*after)[i].is_active) result.turned_off.push_back(feature.name);
    if ((*after)[i].is_active && is_unwanted(feature.name)) {
      result.still_on.push_back(feature.name);
    }
  }
  return result;
}

Result<void> turn_offloads_on(int ethtool_socket, const std::string& interface,
                              const std::vector<std::string>& names) {
  const auto features = read_features(ethtool_socket, interface);
  if (!features) return features.error();
  const auto is_chosen = [&](const Feature& feature) {
    return std::find(names.begin(), names.end(), feature.name) != names.end();
  };
  return set_features(ethtool_socket, interface, *features, is_chosen, Setting::on);
}

bool is_receive_offload(std::string_view name) {
  return name.starts_with("rx-gro") || name == "rx-lro" || name == "rx-checksum" ||
         name == "rx-udp-gro-forwarding" || name == "rx-vlan-hw-parse";
}

bool is_transmit_offload(std::string_view name) {
  return name.starts_with("tx-checksum-") ||
         (name.starts_with("tx-") && name.ends_with("-segmentation")) || name == "tx-gso-partial" ||
         name == "tx-gso-list" || name == "tx-vlan-hw-insert";
}

}  // namespace culvert
