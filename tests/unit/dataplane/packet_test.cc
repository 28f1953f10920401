// SPDX-License-Identifier: BSD-3-Clause
#include "dataplane/packet.h"

#include <gtest/gtest.h>
#include <rte_mbuf_dyn.h>

namespace culvert {
namespace {

TEST(PacketMeta, LeavesDriversThatStampPacketsAPlaceForIt) {
  ASSERT_TRUE(claim_packet_meta());
  int offset = -1;
  std::uint64_t flag = 0;
  EXPECT_EQ(rte_mbuf_dyn_rx_timestamp_register(&offset, &flag), 0);
  EXPECT_EQ(offset, static_cast<int>(Packet::kMetaOffset + offsetof(PacketMeta, time_ns)));
}

TEST(PacketMeta, IsTakenByNoOtherField) {
  ASSERT_TRUE(claim_packet_meta());
  rte_mbuf_dynfield other{};
  constexpr char kName[] = "somebody_elses";
  __builtin_memcpy(other.name, kName, sizeof kName);
  other.size = 8;
  other.align = 8;
  EXPECT_LT(rte_mbuf_dynfield_register(&other), 0);
}

}  // namespace
}  // namespace culvert
