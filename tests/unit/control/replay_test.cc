// SPDX-License-Identifier: BSD-3-Clause
#include "control/replay.h"

#include <gtest/gtest.h>

namespace culvert {
namespace {

TEST(PortCapture, IsAPortAndAFile) {
  const auto capture = parse_port_capture("wan=captures/a=b.pcap");
  ASSERT_TRUE(capture.has_value());
  EXPECT_EQ(capture->port, "wan");
  EXPECT_EQ(capture->file, "captures/a=b.pcap");
}

TEST(PortCapture, IsRefusedWithoutEither) {
  for (const char* text : {"", "wan", "=a.pcap", "wan="}) {
    EXPECT_FALSE(parse_port_capture(text).has_value()) << text;
  }
}

}  // namespace
}  // namespace culvert
