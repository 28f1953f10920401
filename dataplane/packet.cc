// SPDX-License-Identifier: BSD-3-Clause
#include "dataplane/packet.h"

#include <rte_mbuf_dyn.h>

namespace culvert {

static_assert(offsetof(rte_mbuf, dynfield1) <= Packet::kMetaOffset &&
              Packet::kMetaOffset + sizeof(PacketMeta) <= sizeof(rte_mbuf));

bool claim_packet_meta() {
  rte_mbuf_dynfield field{};
  constexpr char kName[] = "culvert_packet_meta";
  __builtin_memcpy(field.name, kName, sizeof kName);
  field.size = sizeof(PacketMeta);
  field.align = alignof(PacketMeta);
  return rte_mbuf_dynfield_register_offset(&field, Packet::kMetaOffset) ==
         static_cast<int>(Packet::kMetaOffset);
}

}  // namespace culvert
