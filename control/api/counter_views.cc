// SPDX-License-Identifier: BSD-3-Clause
#include "control/api/counter_views.h"

#include <time.h>
#include <unistd.h>

#include <algorithm>
#include <cctype>

#include "control/address_text.h"

namespace culvert {
namespace {

constexpr std::size_t kHousekeeperRow = kMaxWorkers;
constexpr int kBalanceReads = 8;

// Text of the dataplane's, fit for a terminal.
std::string printable(std::string text) {
  std::replace_if(
      text.begin(), text.end(), [](unsigned char letter) { return std::isprint(letter) == 0; },
      '?');
  return text;
}

std::string kind_name(PortKind kind) {
  switch (kind) {
    case PortKind::linux_interface:
      return "linux";
    case PortKind::dpdk_device:
      return "dpdk";
    case PortKind::replay:
      return "replay";
    case PortKind::vlan:
      return "vlan";
  }
  return "unknown";
}

// Rows that exist: those of the workers, then the housekeeper's.
std::vector<std::size_t> rows_of(const DataplaneView& dataplane) {
  std::vector<std::size_t> rows;
  for (std::size_t row = 0; row < std::min<std::size_t>(dataplane.worker_count, kMaxWorkers);
       ++row) {
    rows.push_back(row);
  }
  rows.push_back(kHousekeeperRow);
  return rows;
}

std::uint64_t drops_of(const WorkerCounters& worker) {
  std::uint64_t sum = 0;
  for (const Counter& drop : worker.drops) sum += drop.get();
  return sum;
}

std::uint64_t now_ns() {
  timespec now{};
  clock_gettime(CLOCK_REALTIME, &now);
  return static_cast<std::uint64_t>(now.tv_sec) * 1'000'000'000 +
         static_cast<std::uint64_t>(now.tv_nsec);
}

struct Balance {
  std::uint64_t received = 0;
  std::uint64_t from_linux = 0;
  std::uint64_t originated = 0;
  std::uint64_t split = 0;
  std::uint64_t sent = 0;
  std::uint64_t punted = 0;
  std::uint64_t drops = 0;
  std::uint64_t merged = 0;
  std::uint64_t held_in = 0;
  std::uint64_t held_out = 0;
  friend bool operator==(const Balance&, const Balance&) = default;
};

// Where packets go is read before where they come from: what moves meanwhile shows as under way,
// never as more out than in.
Balance read_balance(const StateHead& state) {
  Balance sum;
  for (const WorkerCounters& worker : state.workers) {
    sum.sent += worker.sent.get();
    sum.punted += worker.punted.get();
    sum.drops += drops_of(worker);
    sum.merged += worker.merged.get();
    sum.held_in += worker.held_in.get();
  }
  std::atomic_thread_fence(std::memory_order_acquire);
  for (const WorkerCounters& worker : state.workers) {
    sum.held_out += worker.held_out.get();
    sum.received += worker.received.get();
    sum.from_linux += worker.from_linux.get();
    sum.originated += worker.originated.get();
    sum.split += worker.split.get();
  }
  return sum;
}

}  // namespace

std::string phase_name(DataplanePhase phase) {
  switch (phase) {
    case DataplanePhase::absent:
      return "absent";
    case DataplanePhase::starting:
      return "starting";
    case DataplanePhase::silent:
      return "silent";
    case DataplanePhase::forwarding:
      return "forwarding";
    case DataplanePhase::stopping:
      return "stopping";
    case DataplanePhase::replay_done:
      return "replay_done";
  }
  return "unknown";
}

Json ports_view(const Config& config, const DataplaneView& dataplane, const StateHead& state) {
  Json ports = Json::array();
  for (std::size_t i = 0; i < config.ports.size(); ++i) {
    const ConfigPort& port = config.ports[i];
    const PortStatus& status = dataplane.ports[i];
    PortCounters sum;
    for (const auto& row : state.ports) {
      sum.rx_packets.add(row[i].rx_packets.get());
      sum.rx_bytes.add(row[i].rx_bytes.get());
      sum.tx_packets.add(row[i].tx_packets.get());
      sum.tx_bytes.add(row[i].tx_bytes.get());
      sum.rx_no_mbuf.add(row[i].rx_no_mbuf.get());
      sum.rx_missed.add(row[i].rx_missed.get());
    }
    Json addresses = Json::array();
    for (const AddressPrefix& prefix : port.addresses) {
      addresses.push_back(prefix_text(prefix.family, prefix.address, prefix.prefix_bits));
    }
    ports.push_back({{"name", port.name},
                     {"device", port.device},
                     {"kind", kind_name(port.kind)},
                     {"driver", printable(text_of(status.driver))},
                     {"vlan", port.vlan == 0 ? Json() : Json(port.vlan)},
                     {"parent", port.vlan == 0 ? Json() : Json(config.ports[port.parent].name)},
                     {"mac", mac_text(status.mac)},
                     {"mtu", status.mtu},
                     {"link", status.link_up != 0 ? "up" : "down"},
                     {"link_mbps", status.link_mbps},
                     {"mirror", status.has_mirror != 0},
                     {"rx_queues", status.rx_queues},
                     {"tx_queues", status.tx_queues},
                     {"addresses", addresses},
                     {"rx_packets", sum.rx_packets.get()},
                     {"rx_bytes", sum.rx_bytes.get()},
                     {"tx_packets", sum.tx_packets.get()},
                     {"tx_bytes", sum.tx_bytes.get()},
                     {"rx_no_mbuf", sum.rx_no_mbuf.get()},
                     {"rx_missed", sum.rx_missed.get()}});
  }
  return {{"ports", ports}};
}

Json drops_view(const DataplaneView& dataplane, const StateHead& state) {
  const auto rows = rows_of(dataplane);
  Json drops = Json::array();
  for (std::size_t reason = 0; reason < kDropReasons; ++reason) {
    std::uint64_t sum = 0;
    Json per_worker = Json::array();
    for (const std::size_t row : rows) {
      const std::uint64_t count = state.workers[row].drops[reason].get();
      per_worker.push_back(count);
      sum += count;
    }
    drops.push_back({{"name", kDropInfo[reason].name},
                     {"packets", sum},
                     {"per_worker", per_worker},
                     {"help", kDropInfo[reason].help}});
  }
  return {{"drops", drops}};
}

Json workers_view(const Config& config, const DataplaneView& dataplane, const StateHead& state) {
  Json workers = Json::array();
  for (const std::size_t row : rows_of(dataplane)) {
    const WorkerCounters& worker = state.workers[row];
    Json entry;
    if (row == kHousekeeperRow) {
      entry = {{"worker", "housekeeper"}, {"core", nullptr}};
    } else {
      entry["worker"] = row;
      entry["core"] = row < config.cores.size() ? Json(config.cores[row]) : Json();
    }
    entry.update({{"rounds", worker.rounds.get()},
                  {"busy_rounds", worker.busy_rounds.get()},
                  {"sleeps", worker.sleeps.get()},
                  {"received", worker.received.get()},
                  {"from_linux", worker.from_linux.get()},
                  {"originated", worker.originated.get()},
                  {"sent", worker.sent.get()},
                  {"punted", worker.punted.get()},
                  {"drops", drops_of(worker)}});
    workers.push_back(std::move(entry));
  }
  return {{"workers", workers}};
}

Json balance_view(const StateHead& state) {
  Balance balance = read_balance(state);
  bool is_stable = false;
  for (int reads = 1; reads < kBalanceReads && !is_stable; ++reads) {
    const Balance again = read_balance(state);
    is_stable = again == balance;
    balance = again;
  }
  // held_out may have moved on from the earlier reading of held_in.
  const std::uint64_t held = balance.held_in - std::min(balance.held_in, balance.held_out);
  return {{"received", balance.received},
          {"from_linux", balance.from_linux},
          {"originated", balance.originated},
          {"split", balance.split},
          {"sent", balance.sent},
          {"punted", balance.punted},
          {"drops", balance.drops},
          {"merged", balance.merged},
          {"held", held},
          {"stable", is_stable}};
}

Json fragments_view(const StateHead& state) {
  const auto total = [&state](auto get) {
    std::uint64_t sum = 0;
    for (const WorkerCounters& worker : state.workers) sum += get(worker).get();
    return sum;
  };
  const auto dropped = [&](DropReason reason) {
    return total(
        [reason](const auto& row) -> const Counter& { return row.drops[index_of(reason)]; });
  };
  std::uint64_t failed = 0;
  for (std::size_t reason = index_of(DropReason::fragment_malformed);
       reason <= index_of(DropReason::fragment_too_many); ++reason) {
    failed += dropped(static_cast<DropReason>(reason));
  }
  using Row = const WorkerCounters&;
  return {{"split_before_esp", total([](Row row) -> auto& { return row.split_before; })},
          {"split_after_esp", total([](Row row) -> auto& { return row.split_after; })},
          {"split_in_clear", total([](Row row) -> auto& { return row.split_in_clear; })},
          {"reassembled", total([](Row row) -> auto& { return row.reassembled; })},
          {"fragments_failed", failed},
          {"too_big_sent", total([](Row row) -> auto& { return row.too_big_sent; })},
          {"path_mtus_learned", dropped(DropReason::icmp_in_path_mtu)},
          {"path_mtus_refused",
           dropped(DropReason::icmp_in_bad_checksum) + dropped(DropReason::icmp_in_mtu_too_low) +
               dropped(DropReason::icmp_in_mtu_not_lower) + dropped(DropReason::icmp_in_no_sa)},
          {"icmp_errors_withheld", total([](Row row) -> auto& { return row.icmp_withheld; })}};
}

Json version_view(const std::string& instance, const DataplaneView& dataplane) {
  Json seconds;
  const std::uint64_t now = now_ns();
  if (dataplane.started_at_ns != 0 && dataplane.started_at_ns <= now) {
    seconds = (now - dataplane.started_at_ns) / 1'000'000'000;
  }
  return {{"instance", instance},
          {"control", CULVERT_VERSION},
          {"control_pid", getpid()},
          {"api_version", kApiVersion},
          {"layout_version", kLayoutVersion},
          {"dataplane", printable(dataplane.version)},
          {"dataplane_pid", dataplane.pid},
          {"dataplane_starts", dataplane.incarnation},
          {"dataplane_uptime_seconds", seconds},
          {"phase", phase_name(dataplane.phase)},
          {"code_path", printable(dataplane.code_path)},
          {"huge_pages", dataplane.uses_huge_pages}};
}

}  // namespace culvert
