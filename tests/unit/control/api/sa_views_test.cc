// SPDX-License-Identifier: BSD-3-Clause
#include "control/api/sa_views.h"

#include <gtest/gtest.h>

namespace culvert {
namespace {

TEST(SpiText, HasEightDigits) {
  EXPECT_EQ(spi_text(Spi{0x1001}), "0x00001001");
}

TEST(BitmapText, IsOneNumberWhoseLastBitIsTheHighestSequenceNumber) {
  EXPECT_EQ(bitmap_text({0x00000003, 0x80000000}), "8000000000000003");
  EXPECT_EQ(bitmap_text({}), "");
}

}  // namespace
}  // namespace culvert
