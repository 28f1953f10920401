// SPDX-License-Identifier: BSD-3-Clause
#include "dataplane/devices.h"

#include <rte_dev.h>
#include <rte_errno.h>
#include <rte_ethdev.h>
#include <rte_log.h>
#include <sys/socket.h>

#include <algorithm>
#include <cstdio>
#include <cstring>
#include <iterator>
#include <string_view>
#include <utility>

#include "dataplane/eal.h"
#include "dataplane/new_sockets.h"
#include "dataplane/xdp_messages.h"

namespace culvert {
namespace {

constexpr std::uint16_t kDescriptors = 1024;
constexpr auto kAnySocket = static_cast<unsigned>(SOCKET_ID_ANY);
// AF_XDP keeps a whole mbuf within one page.
constexpr std::uint16_t kLargestXdpMtu = 3400;

std::string about(const PortConfig& config) {
  return "port " + std::string(config.name.data()) + " (" + config.device.data() + "): ";
}

std::string queues_of(const PortConfig& config) {
  return std::to_string(std::max<unsigned>(1, config.rx_queues));
}

// Returns the ethdev that the arguments brought up, or kNoDevice.
std::uint16_t probe(const std::string& name, const std::string& arguments) {
  if (rte_eal_hotplug_add("vdev", name.c_str(), arguments.c_str()) != 0) return Port::kNoDevice;
  std::uint16_t device = Port::kNoDevice;
  if (rte_eth_dev_get_port_by_name(name.c_str(), &device) != 0) return Port::kNoDevice;
  return device;
}

// AF_XDP, for the interface of the port with that number: names must differ within the process.
std::uint16_t open_af_xdp(const PortConfig& config, std::uint32_t number) {
  return probe("net_af_xdp" + std::to_string(number),
               std::string("iface=") + config.device.data() +
                   ",start_queue=0,queue_count=" + queues_of(config) + ",busy_budget=0");
}

// The driver takes it that frames lie side by side, so they must fill blocks, which are whole
// pages.
std::uint16_t open_af_packet(const PortConfig& config, std::uint32_t number) {
  const std::uint32_t frame_bytes = ring_frame_bytes(config.mtu);
  static_assert(8 * kRingFrameStepBytes % 4096 == 0);
  return probe("net_af_packet" + std::to_string(number),
               std::string("iface=") + config.device.data() + ",qpairs=" + queues_of(config) +
                   ",blocksz=" + std::to_string(8 * frame_bytes) +
                   ",framesz=" + std::to_string(frame_bytes) + ",framecnt=1024,qdisc_bypass=1");
}

std::uint16_t open_dpdk_device(const PortConfig& config) {
  const std::string text = config.device.data();
  const auto comma = text.find(',');
  const std::string name = text.substr(0, comma);
  std::uint16_t device = Port::kNoDevice;
  if (rte_eth_dev_get_port_by_name(name.c_str(), &device) == 0) return device;
  return probe(name, comma == std::string::npos ? "" : text.substr(comma + 1));
}

// AF_PACKET says that no frame is above 1518 bytes, and carries what its ring and the interface do;
// the supervisor has given the interface its MTU.
bool takes_mtu(const rte_eth_dev_info& info) {
  return std::string_view(info.driver_name) != "net_af_packet";
}

rte_eth_conf device_config(const rte_eth_dev_info& info, const PortConfig& config,
                           std::uint16_t queues) {
  rte_eth_conf wanted{};
  if (takes_mtu(info)) wanted.rxmode.mtu = config.mtu;
  wanted.rxmode.offloads = info.rx_offload_capa & RTE_ETH_RX_OFFLOAD_IPV4_CKSUM;
  wanted.txmode.offloads = info.tx_offload_capa & RTE_ETH_TX_OFFLOAD_MBUF_FAST_FREE;
  if (queues > 1) {
    wanted.rxmode.mq_mode = RTE_ETH_MQ_RX_RSS;
    wanted.rx_adv_conf.rss_conf.rss_hf =
        info.flow_type_rss_offloads &
        (RTE_ETH_RSS_IP | RTE_ETH_RSS_UDP | RTE_ETH_RSS_TCP | RTE_ETH_RSS_ESP);
    if (wanted.rx_adv_conf.rss_conf.rss_hf == 0) wanted.rxmode.mq_mode = RTE_ETH_MQ_RX_NONE;
  }
  return wanted;
}

// AF_XDP's driver opens a queue's socket here.
std::string set_up_queues(Port& port, const PortConfig& config, rte_mempool& pool) {
  std::uint16_t rx_descriptors = kDescriptors;
  std::uint16_t tx_descriptors = kDescriptors;
  if (config.ring_size != 0) {
    rx_descriptors = static_cast<std::uint16_t>(std::min(config.ring_size, 65535u));
    tx_descriptors = rx_descriptors;
  }
  if (rte_eth_dev_adjust_nb_rx_tx_desc(port.device, &rx_descriptors, &tx_descriptors) != 0) {
    return about(config) + "cannot choose ring sizes";
  }
  for (std::uint16_t queue = 0; queue < port.rx_queues; ++queue) {
    const NewSockets xdp_sockets(AF_XDP);
    const int result =
        rte_eth_rx_queue_setup(port.device, queue, rx_descriptors, kAnySocket, nullptr, &pool);
    std::ranges::copy(xdp_sockets.opened(), std::back_inserter(port.rx_sockets));
    if (result != 0) {
      return about(config) + "receive queue " + std::to_string(queue) + ": " +
             rte_strerror(-result);
    }
  }
  for (std::uint16_t queue = 0; queue < port.tx_queues; ++queue) {
    const int result =
        rte_eth_tx_queue_setup(port.device, queue, tx_descriptors, kAnySocket, nullptr);
    if (result != 0) {
      return about(config) + "transmit queue " + std::to_string(queue) + ": " +
             rte_strerror(-result);
    }
  }
  return {};
}

std::string configure(Port& port, const PortConfig& config, std::uint32_t workers,
                      rte_mempool& pool) {
  rte_eth_dev_info info{};
  if (rte_eth_dev_info_get(port.device, &info) != 0)
    return about(config) + "tells nothing of itself";
  if (config.mtu < info.min_mtu || (info.max_mtu != 0 && config.mtu > info.max_mtu)) {
    return about(config) + "mtu = " + std::to_string(config.mtu) + ", the device takes " +
           std::to_string(info.min_mtu) + " to " + std::to_string(info.max_mtu);
  }
  const auto most = static_cast<std::uint16_t>(
      config.rx_queues != 0 ? std::min<std::uint32_t>(config.rx_queues, workers) : workers);
  port.rx_queues = std::min(most, info.max_rx_queues);
  port.tx_queues = static_cast<std::uint16_t>(std::min<std::uint32_t>(workers, info.max_tx_queues));
  if (config.kind == PortKind::linux_interface) {
    port.rx_queues =
        std::min<std::uint16_t>(port.rx_queues, std::max<std::uint16_t>(1, config.rx_queues));
    port.tx_queues = port.rx_queues;  // these devices have them in pairs
  }
  const rte_eth_conf wanted = device_config(info, config, port.rx_queues);
  const int result = rte_eth_dev_configure(port.device, port.rx_queues, port.tx_queues, &wanted);
  if (result != 0) return about(config) + "refuses its configuration: " + rte_strerror(-result);
  const int mtu_result = takes_mtu(info) ? rte_eth_dev_set_mtu(port.device, config.mtu) : 0;
  if (mtu_result != 0 && mtu_result != -ENOTSUP) {
    return about(config) + "refuses mtu = " + std::to_string(config.mtu);
  }
  return set_up_queues(port, config, pool);
}

std::string set_mac(Port& port, const PortConfig& config) {
  rte_ether_addr mac{};
  if (config.has_mac != 0) {
    std::memcpy(mac.addr_bytes, config.mac.data(), config.mac.size());
    const int result = rte_eth_dev_default_mac_addr_set(port.device, &mac);
    // Every frame is received in promiscuous mode, so a device that keeps its own address serves.
    if (result != 0 && result != -ENOTSUP) {
      return about(config) + "refuses the MAC address: " + rte_strerror(-result);
    }
  } else if (rte_eth_macaddr_get(port.device, &mac) != 0) {
    return about(config) + "has no MAC address; give one with mac = \"...\"";
  }
  std::memcpy(port.mac.bytes.data(), mac.addr_bytes, port.mac.bytes.size());
  return {};
}

void report(const Port& port, PortStatus& status) {
  rte_eth_dev_info info{};
  rte_eth_dev_info_get(port.device, &info);
  std::strncpy(status.driver.data(), info.driver_name, status.driver.size() - 1);
  status.mac = port.mac.bytes;
  status.mtu = port.mtu;
  status.rx_queues = port.rx_queues;
  status.tx_queues = port.tx_queues;
}

// Configures the port's device; one that refuses is closed.
std::string bring_up(Port& port, const PortConfig& config, std::uint32_t workers,
                     rte_mempool& pool) {
  std::string error = configure(port, config, workers, pool);
  if (error.empty()) error = set_mac(port, config);
  if (error.empty()) return {};
  rte_eth_dev_close(std::exchange(port.device, Port::kNoDevice));
  port.rx_sockets.clear();
  return error;
}

// AF_XDP, else AF_PACKET: some of what AF_XDP wants shows only when its queues are set up.
std::string bring_up_interface(Port& port, const StartConfig& start, std::uint32_t number,
                               rte_mempool& pool) {
  const PortConfig& config = start.ports[number];
  // What is wrong is said here, in one line.
  rte_log_set_level_pattern("pmd.net.af_*", RTE_LOG_CRIT);
  if (start.use_af_xdp != 0 && config.mtu <= kLargestXdpMtu) {
    keep_xdp_messages();
    port.device = open_af_xdp(config, number);
    std::string error = about(config) + "no such device";
    if (port.device != Port::kNoDevice) error = bring_up(port, config, start.worker_count, pool);
    if (error.empty()) return {};
    const std::string reasons = kept_xdp_messages();
    std::fprintf(stderr,
                 "culvertd: %s%s%s; AF_PACKET instead of AF_XDP, which needs CAP_NET_RAW, "
                 "CAP_BPF or CAP_SYS_ADMIN, and memory to lock (ulimit -l)\n",
                 error.c_str(), reasons.empty() ? "" : ": ", reasons.c_str());
  }
  port.device = open_af_packet(config, number);
  if (port.device == Port::kNoDevice) {
    return about(config) +
           "neither AF_XDP nor AF_PACKET could open it; CAP_NET_RAW and memory to lock (ulimit -l) "
           "are needed";
  }
  return bring_up(port, config, start.worker_count, pool);
}

// The device is the parent's; so are its MAC address and what else it tells.
void join_parent(std::span<Port> ports, Port& port, PortStatus& status) {
  port.mac = ports[port.parent].mac;
  std::strncpy(status.driver.data(), "802.1Q", status.driver.size() - 1);
  status.mac = port.mac.bytes;
  status.mtu = port.mtu;
}

}  // namespace

std::string open_devices(const StartConfig& start, rte_mempool& pool, std::span<Port> ports,
                         std::span<PortStatus> statuses) {
  for (std::uint32_t i = 0; i < start.port_count; ++i) {
    const PortConfig& config = start.ports[i];
    Port& port = ports[i];
    if (port.vlan != 0) {
      join_parent(ports, port, statuses[i]);
      continue;
    }
    const NewSockets packet_sockets(AF_PACKET);
    // The EAL only says again that a device did not open, and twice.
    const int level = rte_log_get_level(RTE_LOGTYPE_EAL);
    rte_log_set_level(RTE_LOGTYPE_EAL, RTE_LOG_CRIT);
    std::string error;
    if (config.kind == PortKind::linux_interface) {
      error = bring_up_interface(port, start, i, pool);
      port.link = LinkProbe(config.device.data());
    } else {
      port.device = open_dpdk_device(config);
      error = port.device == Port::kNoDevice
                  ? about(config) +
                        "no such DPDK device, or its driver did not start; a device is a PCI "
                        "address as `dpdk-devbind.py --status` lists them, or a "
                        "virtual one such as net_memif0,role=client"
                  : bring_up(port, config, start.worker_count, pool);
    }
    rte_log_set_level(RTE_LOGTYPE_EAL, static_cast<std::uint32_t>(level));
    if (!error.empty()) return error;
    // AF_PACKET's driver opens all queues' sockets when it is probed, one after the other.
    if (port.rx_sockets.empty()) port.rx_sockets = packet_sockets.opened();
    if (port.rx_sockets.size() < port.rx_queues) port.rx_sockets.clear();
    report(port, statuses[i]);
  }
  return {};
}

std::string start_devices(std::span<const Port> ports) {
  for (const Port& port : ports) {
    if (port.vlan != 0) continue;
    const int result = rte_eth_dev_start(port.device);
    if (result != 0) {
      return "port " + std::string(port.name.data()) + ": does not start: " + rte_strerror(-result);
    }
    static_cast<void>(rte_eth_promiscuous_enable(port.device));  // some always are, and refuse
  }
  return {};
}

void close_devices(std::span<const Port> ports) {
  for (const Port& port : ports) {
    if (port.device == Port::kNoDevice) continue;
    rte_eth_dev_stop(port.device);
    rte_eth_dev_close(port.device);
  }
}

std::vector<std::vector<Rx::Queue>> deal_queues(std::span<const Port> ports,
                                                std::uint32_t workers) {
  std::vector<std::vector<Rx::Queue>> dealt(workers);
  std::size_t next = 0;
  for (const Port& port : ports) {
    for (std::uint16_t queue = 0; queue < port.rx_queues; ++queue) {
      const int socket = port.rx_sockets.empty() ? -1 : port.rx_sockets[queue];
      dealt[next++ % workers].push_back({port.device, queue, port.id, socket});
    }
  }
  return dealt;
}

}  // namespace culvert
