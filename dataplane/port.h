// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <array>
#include <atomic>
#include <cstdint>
#include <string>
#include <vector>

#include "dataplane/link_probe.h"
#include "dataplane/net/ethernet.h"
#include "dataplane/shm/layout.h"

namespace culvert {

// Where a port's frames come from and go to.
struct Port {
  static constexpr std::uint16_t kNoDevice = 0xffff;  // in replay: frames come from a capture
  // Ethernet header and one 802.1Q tag.
  static constexpr std::uint32_t kLinkBytes = 18;

  std::uint16_t id = 0;              // PortId
  std::uint16_t device = kNoDevice;  // of ethdev
  std::uint16_t mtu = 1500;
  std::uint16_t vlan = 0;    // 802.1Q VLAN ID of all its frames; 0: a port of its own
  std::uint16_t parent = 0;  // PortId of the one that has the device; itself without a VLAN
  std::uint16_t rx_queues = 0;
  std::uint16_t tx_queues = 0;
  // Readable when a frame has arrived, by receive queue; empty if the device has no such thing.
  std::vector<int> rx_sockets;
  LinkProbe link;  // of a Linux interface; for the housekeeper
  MacAddress mac;
  std::array<char, 16> name{};
  // One of the port's addresses, host byte order, 0: none. Written by the housekeeper; ICMP errors
  // are sent from it. Relaxed: any of the addresses it ever had will do.
  std::atomic<std::uint32_t> address{0};

  [[nodiscard]] std::uint32_t max_frame_bytes() const { return mtu + kLinkBytes; }
};

}  // namespace culvert
