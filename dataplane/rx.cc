// SPDX-License-Identifier: BSD-3-Clause
#include "dataplane/rx.h"

#include <rte_ethdev.h>

namespace culvert {

std::span<Packet> Rx::receive(std::uint64_t now_ns) {
  std::size_t count = 0;
  for (std::size_t i = 0; i < queues_.size() && count < kBurst; ++i) {
    const Queue& queue = queues_[next_];
    next_ = next_ + 1 == queues_.size() ? 0 : next_ + 1;
    const std::uint16_t received =
        rte_eth_rx_burst(queue.device, queue.queue, mbufs_.data() + count,
                         static_cast<std::uint16_t>(kBurst - count));
    if (received == 0) continue;
    for (std::size_t fetched = count; fetched < count + received; ++fetched) {
      __builtin_prefetch(&Packet(mbufs_[fetched]).meta(), 1);
    }
    const PacketMeta meta{
        .time_ns = now_ns, .sa = kNoSa.raw(), .in_port = static_cast<std::uint8_t>(queue.port)};
    std::uint64_t bytes = 0;
    for (std::size_t end = count + received; count < end; ++count) {
      const Packet packet(mbufs_[count]);
      packet.meta() = meta;
      bytes += packet.mbuf()->pkt_len;
      packets_[count] = packet;
    }
    port_counters_[queue.port].rx_packets.add(received);
    port_counters_[queue.port].rx_bytes.add(bytes);
  }
  if (count != 0) counters_->received.add(count);
  return {packets_.data(), count};
}

}  // namespace culvert
