// SPDX-License-Identifier: BSD-3-Clause
#include "dataplane/net/icmp.h"

#include <gtest/gtest.h>

#include "tests/unit/dataplane/net/packet_bytes.h"

namespace culvert {
namespace {

TEST(IcmpHeader, CarriesTheNextHopMtuInItsLastTwoBytes) {
  const auto message = bytes({3, 4, 0xab, 0xcd, 0, 0, 0x05, 0x96});
  const IcmpHeader* const icmp = header_at<IcmpHeader>(message, 0);
  ASSERT_NE(icmp, nullptr);
  EXPECT_EQ(icmp->type, IcmpType::destination_unreachable);
  EXPECT_EQ(icmp->code, kIcmpFragmentationNeeded);
  EXPECT_EQ(icmp->checksum.host(), 0xabcd);
  EXPECT_EQ(icmp->next_hop_mtu(), 1430);

  IcmpHeader written;
  written.set_next_hop_mtu(1430);
  EXPECT_EQ(written.low_word, icmp->low_word);
  EXPECT_EQ(written.high_word, Be16{});
}

TEST(IcmpHeader, CarriesAnEchosIdentifierAndSequence) {
  const auto message = bytes({8, 0, 0, 0, 0x12, 0x34, 0x00, 0x07});
  const IcmpHeader* const icmp = header_at<IcmpHeader>(message, 0);
  ASSERT_NE(icmp, nullptr);
  EXPECT_EQ(icmp->type, IcmpType::echo_request);
  EXPECT_EQ(icmp->echo_identifier(), 0x1234);
  EXPECT_EQ(icmp->echo_sequence(), 7);
}

TEST(IsIcmpError, IsTrueForErrorsAndFalseForQueries) {
  int errors = 0;
  for (int type = 0; type < 256; ++type) errors += is_icmp_error(static_cast<IcmpType>(type));
  EXPECT_EQ(errors, 5);
  static_assert(is_icmp_error(IcmpType::destination_unreachable));
  static_assert(is_icmp_error(IcmpType::source_quench));
  static_assert(is_icmp_error(IcmpType::redirect));
  static_assert(is_icmp_error(IcmpType::time_exceeded));
  static_assert(is_icmp_error(IcmpType::parameter_problem));
}

}  // namespace
}  // namespace culvert
