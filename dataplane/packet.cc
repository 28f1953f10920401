// SPDX-License-Identifier: BSD-3-Clause
#include "dataplane/packet.h"

#include <rte_mbuf_dyn.h>

#include <string_view>

namespace culvert {
namespace {

constexpr std::size_t kTimeEnd = offsetof(PacketMeta, time_ns) + sizeof(PacketMeta::time_ns);
static_assert(offsetof(PacketMeta, time_ns) == 0 &&
              sizeof(PacketMeta::time_ns) == sizeof(rte_mbuf_timestamp_t));
static_assert(offsetof(rte_mbuf, dynfield1) <= Packet::kMetaOffset &&
              Packet::kMetaOffset + sizeof(PacketMeta) <= sizeof(rte_mbuf));

bool claim(std::string_view name, std::size_t offset, std::size_t size) {
  rte_mbuf_dynfield field{};
  name.copy(field.name, sizeof field.name - 1);
  field.size = size;
  field.align = alignof(PacketMeta);
  return rte_mbuf_dynfield_register_offset(&field, offset) == static_cast<int>(offset);
}

}  // namespace

// There is no room for a driver's receive timestamp beside our notes, and some drivers (net_pcap)
// do not start without. So time_ns is it: what a driver writes there, rx writes over.
bool claim_packet_meta() {
  return claim(RTE_MBUF_DYNFIELD_TIMESTAMP_NAME, Packet::kMetaOffset, kTimeEnd) &&
         claim("culvert_packet_meta", Packet::kMetaOffset + kTimeEnd,
               sizeof(PacketMeta) - kTimeEnd);
}

}  // namespace culvert
