// SPDX-License-Identifier: BSD-3-Clause
#include "control/config.h"

#include <fmt/format.h>
#include <grp.h>
#include <sched.h>
#include <sys/sysinfo.h>
#include <unistd.h>

#include <algorithm>
#include <fstream>
#include <sstream>
#include <utility>

#include "control/config_policies.h"
#include "control/config_ports.h"
#include "control/config_routes.h"
#include "control/config_table.h"
#include "crypto/transform.h"

namespace culvert {
namespace {

constexpr std::int64_t kLeastMss = 536;  // what every IPv4 host takes (RFC 9293 3.7.1)

// Without a figure in the file there is room for a window of 128 per SA, and for 64 of the largest.
constexpr std::uint64_t kDefaultSlotsPerSa = window_slots_for(128);
constexpr std::uint64_t kLeastDefaultSlots = 64ull * window_slots_for(kMaxReplayWindow);
constexpr std::int64_t kLeastMbufs = 1024;
constexpr std::int64_t kMostMbufs = 1 << 24;

void read_cores(ConfigTable& table, const Machine& machine, ConfigErrors& errors, Config& config) {
  const toml::node* node = table.node("cores");
  if (node == nullptr) {
    // The last core: interrupts and everyone else tend to crowd the first.
    if (!machine.cores.empty()) config.cores = {machine.cores.back()};
    return;
  }
  const toml::array* array = node->as_array();
  if (array == nullptr || array->empty() || array->size() > kMaxWorkers) {
    errors.add(*node, fmt::format("cores: must be a list of 1 to {} CPU numbers, such as [1, 2]",
                                  kMaxWorkers));
    return;
  }
  for (const toml::node& element : *array) {
    const auto number = element.value_exact<std::int64_t>();
    const auto is_usable = [&number](std::uint16_t core) { return core == *number; };
    if (!number || std::none_of(machine.cores.begin(), machine.cores.end(), is_usable)) {
      errors.add(element, fmt::format("cores {}: no such CPU for this process, which may use {}",
                                      shown(element), fmt::join(machine.cores, ", ")));
      continue;
    }
    const auto core = static_cast<std::uint16_t>(*number);
    if (std::find(config.cores.begin(), config.cores.end(), core) != config.cores.end()) {
      errors.add(element, fmt::format("cores {}: named twice", core));
      continue;
    }
    config.cores.push_back(core);
  }
}

void read_dataplane(ConfigTable& file, const Machine& machine, ConfigErrors& errors,
                    Config& config) {
  const toml::table empty;
  const toml::table* section = file.section("dataplane");
  ConfigTable table(section == nullptr ? empty : *section, "[dataplane]", errors);
  read_cores(table, machine, errors, config);
  if (const auto count = table.integer("max_sas", {1, kLargestMaxSas, "SAs"})) {
    config.max_sas = static_cast<std::uint32_t>(*count);
  }
  if (const auto count = table.integer("max_policies", {1, kLargestMaxPolicies, "policies"})) {
    config.max_policies = static_cast<std::uint32_t>(*count);
  }
  if (const auto word = table.word("poll", {"adaptive", "busy"})) {
    config.poll = *word == "busy" ? PollMode::busy : PollMode::adaptive;
  }
  config.huge_pages = table.boolean("huge_pages").value_or(config.huge_pages);
  config.af_xdp = table.boolean("af_xdp").value_or(config.af_xdp);
  if (const auto count = table.integer("mbufs", {kLeastMbufs, kMostMbufs, "packet buffers"})) {
    config.mbufs = static_cast<std::uint32_t>(*count);
  }
  table.finish();
}

void read_xfrm(ConfigTable& file, const std::filesystem::path& folder, ConfigErrors& errors,
               Config& config) {
  const toml::table* section = file.section("xfrm");
  if (section == nullptr) return;
  ConfigTable table(*section, "[xfrm]", errors);
  for (const ConfigText& text : table.texts("batch")) {
    const std::filesystem::path path = (folder / text.value).lexically_normal();
    std::error_code code;
    const bool is_directory = std::filesystem::is_directory(path, code);
    if (const int number = access(path.c_str(), R_OK) != 0 ? errno : is_directory ? EISDIR : 0) {
      const std::string why =
          is_directory ? "is a directory" : std::generic_category().message(number);
      errors.add(text.node->source(),
                 fmt::format("batch \"{}\": cannot read {}: {}", text.value, path.string(), why),
                 number);
      continue;
    }
    config.batch_files.push_back(path);
  }
  config.spreads_xfrm_policies = table.boolean("spread").value_or(false);
  table.finish();
}

void read_esp(ConfigTable& file, ConfigErrors& errors, Config& config) {
  const toml::table empty;
  const toml::table* section = file.section("esp");
  ConfigTable table(section == nullptr ? empty : *section, "[esp]", errors);
  if (const auto floor =
          table.integer("replay_window", {0, kMaxReplayWindow, "sequence numbers"})) {
    config.replay_window = static_cast<std::uint32_t>(*floor);
    if (config.replay_window != 0 && config.replay_window < kMinReplayWindow) {
      errors.add(*table.table().get("replay_window"),
                 fmt::format("replay_window {}: must be 0 (none), or {} to {}",
                             config.replay_window, kMinReplayWindow, kMaxReplayWindow));
    }
  }
  if (const auto idle = table.integer("idle_timeout", {0, 31'536'000, "seconds"})) {
    config.idle_timeout_seconds = static_cast<std::uint64_t>(*idle);
  }
  if (const auto word = table.word("df", {"copy", "set", "clear"})) {
    config.df = *word == "set" ? DfBit::set : *word == "clear" ? DfBit::clear : DfBit::copy;
  }
  if (const auto seconds = table.integer("nat_keepalive", {0, 3600, "seconds"})) {
    config.nat_keepalive_seconds = static_cast<std::uint16_t>(*seconds);
  }
  config.follows_peers = table.boolean("follow_peers").value_or(false);
  if (const auto rate = table.integer("dummies", {0, 1000, "packets a second"})) {
    config.dummies_per_second = static_cast<std::uint16_t>(*rate);
  }
  if (const auto word = table.word("fragment", {"before", "after"})) {
    config.splits_after_esp = *word == "after";
  }
  if (const auto patience = table.integer("fragment_timeout", {100, 60'000, "milliseconds"})) {
    config.fragment_patience_ms = static_cast<std::uint16_t>(*patience);
  }
  if (const auto mss = table.integer("clamp_mss", {0, 9000, "bytes"})) {
    config.mss = static_cast<std::uint16_t>(*mss);
    if (*mss != 0 && *mss < kLeastMss) {
      errors.add(
          *table.table().get("clamp_mss"),
          fmt::format("clamp_mss {}: must be 0 (what fits), or {} to 9000", *mss, kLeastMss));
    }
  }
  if (!table.boolean("clamp_tcp").value_or(true)) config.mss = kMssUntouched;
  for (const ConfigText& text : table.texts("allow")) {
    const auto* const name = std::ranges::find(kPermissionNames, text.value);
    if (name == kPermissionNames.end()) {
      errors.add(*text.node,
                 fmt::format("allow \"{}\": must be \"des-cbc\" or \"no-integrity\"", text.value));
      continue;
    }
    config.allowed_transforms = static_cast<std::uint8_t>(config.allowed_transforms |
                                                          1u << (name - kPermissionNames.begin()));
  }
  const std::uint64_t slots_per_sa = window_slots_for(config.replay_window);
  const std::uint64_t floor_slots =
      slots_per_sa <= kInlineWindowSlots ? 0 : slots_per_sa * config.max_sas;
  config.window_slots =
      std::max({floor_slots, kDefaultSlotsPerSa * config.max_sas, kLeastDefaultSlots});
  const toml::node* node = table.table().get("large_window_slots");
  const auto asked = table.integer("large_window_slots",
                                   {0, static_cast<std::int64_t>(kLargestWindowSlots), "words"});
  table.finish();
  if (asked) {
    config.window_slots = static_cast<std::uint64_t>(*asked);
    if (config.window_slots < floor_slots) {
      errors.add(*node, fmt::format("large_window_slots {}: replay_window {} for {} SAs needs {}",
                                    *asked, config.replay_window, config.max_sas, floor_slots));
    }
  }
  if (floor_slots > kLargestWindowSlots) {
    errors.add(table.table(),
               fmt::format("replay_window {}: for {} SAs it needs {} words of 8 bytes, at most {} "
                           "are possible",
                           config.replay_window, config.max_sas, floor_slots, kLargestWindowSlots));
  }
  config.window_slots = std::min(config.window_slots, kLargestWindowSlots);
}

void read_log(ConfigTable& file, ConfigErrors& errors, Config& config) {
  const toml::table* section = file.section("log");
  if (section == nullptr) return;
  ConfigTable table(*section, "[log]", errors);
  config.audits = table.boolean("audit").value_or(true);
  const auto word = table.word("level", {"debug", "info", "warn", "error"});
  if (word == "debug") config.log_level = LogLevel::debug;
  if (word == "warn") config.log_level = LogLevel::warn;
  if (word == "error") config.log_level = LogLevel::error;
  table.finish();
}

void read_control(ConfigTable& file, ConfigErrors& errors, Config& config) {
  const toml::table* section = file.section("control");
  if (section == nullptr) return;
  ConfigTable table(*section, "[control]", errors);
  if (const auto group = table.text("group")) {
    config.group = group->value;
    if (getgrnam(config.group.c_str()) == nullptr) {
      errors.add(*group->node, fmt::format("group \"{}\": no such group on this machine; make it "
                                           "with `groupadd --system {}`",
                                           config.group, config.group));
    }
  }
  if (const auto folder = table.text("state_dir")) {
    config.state_dir = folder->value;
    if (!config.state_dir.is_absolute()) {
      errors.add(*folder->node,
                 fmt::format("state_dir \"{}\": must be an absolute path", folder->value));
    }
  }
  table.finish();
}

// What the asked number of packet buffers takes at least: each holds a frame of the largest MTU,
// its headroom and what the dataplane notes on it, and none is smaller than kLeastMbufBytes.
std::uint64_t mbuf_bytes(const Config& config) {
  constexpr std::uint64_t kLeastMbufBytes = 2368;
  constexpr std::uint64_t kAroundFrameBytes = 512;
  std::uint64_t one = kLeastMbufBytes;
  for (const ConfigPort& port : config.ports) one = std::max(one, port.mtu + kAroundFrameBytes);
  return config.mbufs * one;
}

// Memory is only taken when it is used, but it must be there then.
void check_memory(const toml::table& file, const Machine& machine, ConfigErrors& errors,
                  const Config& config) {
  const RegionSizes sizes = region_sizes(config);
  if (!sizes.valid()) return;
  const std::uint64_t bytes = requests_region_bytes(sizes) + keys_region_bytes(sizes) +
                              state_region_bytes(sizes) + mbuf_bytes(config);
  if (bytes <= machine.memory_bytes / 2) return;
  errors.add(file, fmt::format("max_sas {}, max_policies {}, replay_window {}, mbufs {}: they need "
                               "{} MiB, at most half of this machine's memory ({} MiB) is allowed",
                               config.max_sas, config.max_policies, config.replay_window,
                               config.mbufs, bytes >> 20, machine.memory_bytes >> 21));
}

template <std::size_t size>
void copy_text(std::string_view text, std::array<char, size>& to) {
  to.fill(0);
  std::copy_n(text.begin(), std::min(text.size(), size - 1), to.begin());
}

}  // namespace

std::string ConfigError::text() const {
  if (line == 0) return fmt::format("{}: {}", file, message);
  return fmt::format("{}:{}:{}: {}", file, line, column, message);
}

int code_of(const std::vector<ConfigError>& errors) {
  const bool is_forbidden =
      std::ranges::any_of(errors, [](const ConfigError& error) { return error.code == EACCES; });
  return is_forbidden ? EACCES : EINVAL;
}

Machine this_machine() {
  Machine machine;
  cpu_set_t set;
  CPU_ZERO(&set);
  if (sched_getaffinity(0, sizeof set, &set) == 0) {
    for (std::uint16_t core = 0; core < CPU_SETSIZE; ++core) {
      if (CPU_ISSET(core, &set)) machine.cores.push_back(core);
    }
  }
  struct sysinfo info {};
  if (sysinfo(&info) == 0) machine.memory_bytes = std::uint64_t{info.totalram} * info.mem_unit;
  return machine;
}

Machine any_machine() {
  Machine machine{.cores = {}, .memory_bytes = this_machine().memory_bytes};
  for (std::uint16_t core = 0; core < CPU_SETSIZE; ++core) machine.cores.push_back(core);
  return machine;
}

ConfigResult load_config(const std::filesystem::path& file, const Machine& machine) {
  std::error_code code;
  std::ifstream stream(file, std::ios::binary);
  if (!stream || std::filesystem::is_directory(file, code)) {
    const int number = stream ? EISDIR : errno;
    const std::string why =
        number == EISDIR ? "is a directory" : std::generic_category().message(number);
    return {std::nullopt, {{file.string(), 0, 0, fmt::format("cannot read: {}", why), number}}};
  }
  std::ostringstream text;
  text << stream.rdbuf();
  return parse_config(std::move(text).str(), file, machine);
}

ConfigResult parse_config(std::string_view text, const std::filesystem::path& file,
                          const Machine& machine) {
  ConfigErrors errors(file.string());
  toml::table root;
  try {
    root = toml::parse(text);
  } catch (const toml::parse_error& error) {
    errors.add(error.source(), std::string(error.description()));
    return {std::nullopt, errors.sorted()};
  }
  Config config;
  config.file = std::filesystem::absolute(file).lexically_normal();
  ConfigTable table(root, "the file", errors);
  read_dataplane(table, machine, errors, config);
  read_ports(table, errors, config);
  read_routes(table, errors, config);
  read_xfrm(table, config.file.parent_path(), errors, config);
  read_esp(table, errors, config);
  read_policies(table, errors, config);
  read_log(table, errors, config);
  read_control(table, errors, config);
  table.finish();
  check_memory(root, machine, errors, config);
  if (!errors.empty()) return {std::nullopt, errors.sorted()};
  return {std::move(config), {}};
}

RegionSizes region_sizes(const Config& config) {
  return {.max_sas = config.max_sas,
          .max_policies = config.max_policies,
          .window_slots = config.window_slots};
}

StartConfig start_config(const Config& config, std::string_view instance_name) {
  StartConfig start;
  start.worker_count = static_cast<std::uint32_t>(config.cores.size());
  std::copy(config.cores.begin(), config.cores.end(), start.worker_cores.begin());
  start.port_count = static_cast<std::uint32_t>(config.ports.size());
  start.poll = config.poll;
  start.default_policy = config.default_policy;
  start.use_huge_pages = config.huge_pages ? 1 : 0;
  start.use_af_xdp = config.af_xdp ? 1 : 0;
  start.splits_after_esp = config.splits_after_esp ? 1 : 0;
  start.mss = config.mss;
  start.fragment_patience_ms = config.fragment_patience_ms;
  start.mbuf_count = config.mbufs;
  copy_text(instance_name, start.instance_name);
  for (std::size_t i = 0; i < config.ports.size(); ++i) {
    const ConfigPort& from = config.ports[i];
    PortConfig& port = start.ports[i];
    copy_text(from.name, port.name);
    copy_text(from.device, port.device);
    port.kind = from.kind;
    port.has_mac = from.mac ? 1 : 0;
    port.mac = from.mac.value_or(MacBytes{});
    port.mtu = from.mtu;
    port.rx_queues = from.rx_queues;
    port.ring_size = from.ring_size;
    port.vlan = from.vlan;
    port.parent = from.parent;
  }
  return start;
}

std::filesystem::path state_dir(const Config& config, std::string_view instance_name) {
  if (!config.state_dir.empty()) return config.state_dir;
  return std::filesystem::path("/var/lib/culvert") / instance_name;
}

std::filesystem::path floor_file(const Config& config, std::string_view instance_name) {
  return state_dir(config, instance_name) / "floors";
}

}  // namespace culvert
