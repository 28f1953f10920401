// SPDX-License-Identifier: BSD-3-Clause
#include "dataplane/net/be.h"

#include <gtest/gtest.h>

#include <array>
#include <bit>
#include <type_traits>

namespace culvert {
namespace {

TEST(BigEndian, PutsTheHighestByteFirst) {
  using Bytes = std::array<std::uint8_t, 4>;
  EXPECT_EQ(std::bit_cast<Bytes>(Be32{0x01020304}), (Bytes{1, 2, 3, 4}));
}

TEST(BigEndian, GivesBackTheHostNumberItWasMadeFrom) {
  static_assert(Be16{0xabcd}.host() == 0xabcd);
  static_assert(Be32{0x12345678}.host() == 0x12345678);
  static_assert(Be64{0x0123456789abcdef}.host() == 0x0123456789abcdef);
}

TEST(BigEndian, IsNotMadeFromAHostNumberByAccident) {
  static_assert(!std::is_convertible_v<std::uint16_t, Be16>);
  static_assert(!std::is_convertible_v<Be16, std::uint16_t>);
}

TEST(BigEndian, IsZeroWhenDefaultConstructed) {
  static_assert(Be32{} == Be32{0});
}

}  // namespace
}  // namespace culvert
