// SPDX-License-Identifier: BSD-3-Clause
#include "dataplane/eal.h"

#include <rte_eal.h>
#include <rte_errno.h>
#include <rte_mbuf.h>
#include <unistd.h>

#include <algorithm>
#include <cstring>
#include <fstream>
#include <utility>
#include <vector>

namespace culvert {
namespace {

constexpr std::uint32_t kHugePageMib = 2;
// Forwarding tables, rings and DPDK's own.
constexpr std::uint32_t kFixedMib = 176;
constexpr std::uint32_t kMbufsPerQueue = 4096;
constexpr std::uint32_t kMbufsPerWorker = 4096;
constexpr std::uint32_t kLargestLinkBytes = 18;
constexpr std::uint32_t kXdpHeadroomBytes = 256;

bool is_started = false;

std::uint64_t read_number(const char* path) {
  std::ifstream file(path);
  std::uint64_t number = 0;
  file >> number;
  return file ? number : 0;
}

std::uint64_t grantable_huge_pages() {
  const std::string base = "/sys/kernel/mm/hugepages/hugepages-2048kB/";
  const std::uint64_t free = read_number((base + "free_hugepages").c_str());
  const std::uint64_t reserved = read_number((base + "resv_hugepages").c_str());
  const std::uint64_t overcommit = read_number((base + "nr_overcommit_hugepages").c_str());
  const std::uint64_t surplus = read_number((base + "surplus_hugepages").c_str());
  return (free > reserved ? free - reserved : 0) +
         (overcommit > surplus ? overcommit - surplus : 0);
}

// "0@(0-3)" for the housekeeper, "1@2,2@3" for workers.
std::string lcores(const StartConfig& start, EalUse use) {
  const long cpus = sysconf(_SC_NPROCESSORS_ONLN);
  const std::string anywhere = "@(0-" + std::to_string(cpus - 1) + ")";
  std::string map = "0" + anywhere;
  for (std::uint32_t i = 0; i < start.worker_count; ++i) {
    map.append(",").append(std::to_string(i + 1));
    if (use == EalUse::replay) {
      map.append(anywhere);
    } else {
      map.append("@").append(std::to_string(start.worker_cores[i]));
    }
  }
  return map;
}

bool is_pci_address(const char* device) {
  return std::strlen(device) >= 12 && device[4] == ':' && device[7] == ':' && device[10] == '.';
}

}  // namespace

EalPlan plan_eal(const StartConfig& start) {
  EalPlan plan;
  std::uint32_t largest_mtu = 1500;
  std::uint32_t queues = 0;
  for (std::uint32_t i = 0; i < start.port_count; ++i) {
    largest_mtu = std::max<std::uint32_t>(largest_mtu, start.ports[i].mtu);
    queues += std::max<std::uint32_t>(1, start.ports[i].rx_queues);
  }
  plan.mbufs =
      start.mbuf_count != 0
          ? start.mbuf_count
          : std::max(16383u, queues * kMbufsPerQueue + start.worker_count * kMbufsPerWorker - 1);
  plan.data_room_bytes = std::max<std::uint32_t>(
      RTE_MBUF_DEFAULT_BUF_SIZE, ring_frame_bytes(largest_mtu) + RTE_PKTMBUF_HEADROOM);
  // What AF_XDP receives begins XDP_PACKET_HEADROOM behind an mbuf's own headroom.
  plan.data_room_bytes = std::max(
      plan.data_room_bytes,
      (largest_mtu + kLargestLinkBytes + RTE_PKTMBUF_HEADROOM + kXdpHeadroomBytes + 63) / 64 * 64);
  const std::uint64_t pool_bytes =
      std::uint64_t{plan.mbufs} * (plan.data_room_bytes + sizeof(rte_mbuf) + 64);
  plan.memory_mib = kFixedMib + static_cast<std::uint32_t>(pool_bytes >> 20);
  plan.uses_huge_pages =
      start.use_huge_pages != 0 && grantable_huge_pages() >= plan.memory_mib / kHugePageMib;
  return plan;
}

std::string start_eal(const StartConfig& start, const EalPlan& plan, EalUse use) {
  std::vector<std::string> words = {"culvertd", "--lcores=" + lcores(start, use), "--main-lcore=0",
                                    "--no-telemetry", "--log-level=*:error"};
  if (plan.uses_huge_pages) {
    words.insert(words.end(), {"--in-memory", "--iova-mode=va"});
  } else {
    words.insert(words.end(), {"--no-huge", "--no-shconf", "-m", std::to_string(plan.memory_mib)});
  }
  bool has_pci = false;
  for (std::uint32_t i = 0; i < start.port_count; ++i) {
    const PortConfig& port = start.ports[i];
    if (port.kind != PortKind::dpdk_device || !is_pci_address(port.device.data())) continue;
    has_pci = true;
    words.insert(words.end(), {"-a", port.device.data()});
  }
  if (!has_pci) words.emplace_back("--no-pci");

  std::vector<char*> arguments;
  for (std::string& word : words) arguments.push_back(word.data());
  is_started = rte_eal_init(static_cast<int>(arguments.size()), arguments.data()) >= 0;
  if (!is_started) {
    return std::string("DPDK's EAL did not start: ") + rte_strerror(rte_errno) +
           "; the lines above say more (cores, memory: " + std::to_string(plan.memory_mib) +
           " MiB are needed)";
  }
  return {};
}

void stop_eal() {
  if (std::exchange(is_started, false)) rte_eal_cleanup();
}

}  // namespace culvert
