// SPDX-License-Identifier: BSD-3-Clause
#include "dataplane/net/wire.h"

#include <gtest/gtest.h>

#include <cstdint>
#include <limits>

#include "dataplane/net/be.h"
#include "dataplane/net/udp.h"
#include "tests/unit/dataplane/net/packet_bytes.h"

namespace culvert {
namespace {

TEST(HeaderAt, ReadsAHeaderAtAnyAlignment) {
  const auto packet = bytes({0xff, 0x01, 0xf4, 0x11, 0x94, 0x00, 0x08, 0x00, 0x00});
  const UdpHeader* const udp = header_at<UdpHeader>(packet, 1);
  ASSERT_NE(udp, nullptr);
  EXPECT_EQ(udp->source_port.host(), kIkePort);
  EXPECT_EQ(udp->destination_port.host(), kNatTPort);
  EXPECT_EQ(udp->length.host(), 8);
}

TEST(HeaderAt, IsNullWhenTheHeaderDoesNotLieWhollyWithin) {
  const auto packet = bytes({1, 2, 3, 4});
  EXPECT_NE(header_at<Be32>(packet, 0), nullptr);
  EXPECT_EQ(header_at<Be32>(packet, 1), nullptr);
  EXPECT_EQ(header_at<Be32>(packet, 4), nullptr);
  EXPECT_EQ(header_at<Be32>(packet, 5), nullptr);
  EXPECT_EQ(header_at<Be32>(packet, std::numeric_limits<std::size_t>::max()), nullptr);
  EXPECT_EQ(header_at<Be32>({}, 0), nullptr);
}

TEST(MutableHeaderAt, WritesThroughAndIsNullOutside) {
  auto packet = bytes({1, 2, 3, 4});
  *mutable_header_at<Be16>(packet, 2) = Be16{0xabcd};
  EXPECT_EQ(packet, bytes({1, 2, 0xab, 0xcd}));
  EXPECT_EQ(mutable_header_at<Be16>(packet, 3), nullptr);
}

TEST(WireFormat, RefusesWhatNeedsAlignment) {
  static_assert(WireFormat<Be32>);
  static_assert(!WireFormat<std::uint32_t>);
}

}  // namespace
}  // namespace culvert
