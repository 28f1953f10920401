// SPDX-License-Identifier: BSD-3-Clause
#include "crypto/key.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <memory>
#include <ostream>
#include <span>
#include <type_traits>
#include <utility>

#include "tests/unit/crypto/crypto_test_support.h"

namespace culvert {
namespace {

template <typename T>
concept Printable = requires(std::ostream& out, const T& value) {
  out << value;
};

static_assert(!std::is_copy_constructible_v<Key>);
static_assert(!std::is_copy_assignable_v<Key>);
static_assert(std::is_nothrow_move_constructible_v<Key>);
static_assert(!Printable<Key>);

// 24 bytes that no other part of a Key holds by chance.
const Bytes kSecret = from_hex("c0ffee11deadbeef22f00dcafe33baddecaf44facefeed55");

bool contains(std::span<const std::byte> memory, std::span<const std::byte> bytes) {
  return std::search(memory.begin(), memory.end(), bytes.begin(), bytes.end()) != memory.end();
}

// Half of the secret is enough to call it a leak.
bool holds_secret(std::span<const std::byte> memory) {
  const std::span<const std::byte> secret(kSecret);
  return contains(memory, secret.first(12)) || contains(memory, secret.last(12));
}

// A Key in memory that stays readable after the Key's end.
class KeyInOpenMemory {
 public:
  KeyInOpenMemory() : key_(std::construct_at(reinterpret_cast<Key*>(memory_.data()))) {}
  Key& key() { return *key_; }
  void destroy() { std::destroy_at(key_); }
  [[nodiscard]] bool leaks() const { return holds_secret(memory_); }

 private:
  alignas(Key) std::array<std::byte, sizeof(Key)> memory_{};
  Key* key_;
};

TEST(Key, GivesBackWhatItWasAssigned) {
  Key key;
  ASSERT_TRUE(key.assign(kSecret));
  EXPECT_TRUE(std::ranges::equal(key.bytes(), kSecret));
  EXPECT_EQ(key.size_bytes(), kSecret.size());
}

TEST(Key, IsEmptyFromTheStart) {
  EXPECT_TRUE(Key().empty());
}

TEST(Key, TakesAsManyBytesAsItsCapacity) {
  Key key;
  EXPECT_TRUE(key.assign(Bytes(Key::kCapacityBytes, std::byte{1})));
}

TEST(Key, RefusesOneByteMoreThanItsCapacityAndIsEmptyThen) {
  Key key;
  ASSERT_TRUE(key.assign(kSecret));
  EXPECT_FALSE(key.assign(Bytes(Key::kCapacityBytes + 1, std::byte{1})));
  EXPECT_TRUE(key.empty());
}

TEST(Key, ZeroesItselfWhenDestroyed) {
  KeyInOpenMemory memory;
  ASSERT_TRUE(memory.key().assign(kSecret));
  ASSERT_TRUE(memory.leaks());
  memory.destroy();
  EXPECT_FALSE(memory.leaks());
}

TEST(Key, ZeroesItselfWhenMovedFrom) {
  KeyInOpenMemory memory;
  ASSERT_TRUE(memory.key().assign(kSecret));
  const Key moved(std::move(memory.key()));
  EXPECT_FALSE(memory.leaks());
  EXPECT_TRUE(std::ranges::equal(moved.bytes(), kSecret));
  memory.destroy();
}

TEST(Key, ZeroesTheOldContentsWhenMovedTo) {
  KeyInOpenMemory memory;
  ASSERT_TRUE(memory.key().assign(kSecret));
  Key shorter;
  ASSERT_TRUE(shorter.assign(Bytes(4, std::byte{9})));
  memory.key() = std::move(shorter);
  EXPECT_FALSE(memory.leaks());
  EXPECT_EQ(memory.key().size_bytes(), 4u);
  memory.destroy();
}

TEST(Key, ZeroesTheOldContentsWhenAssignedAShorterSecret) {
  KeyInOpenMemory memory;
  ASSERT_TRUE(memory.key().assign(kSecret));
  ASSERT_TRUE(memory.key().assign(Bytes(4, std::byte{9})));
  EXPECT_FALSE(memory.leaks());
  memory.destroy();
}

TEST(Key, KeepsItsContentsWhenMovedToItself) {
  Key key;
  ASSERT_TRUE(key.assign(kSecret));
  Key& same = key;
  key = std::move(same);
  EXPECT_TRUE(std::ranges::equal(key.bytes(), kSecret));
}

TEST(ConstantTimeEqual, TellsEqualFromDifferentAtEveryByte) {
  Bytes other = kSecret;
  EXPECT_TRUE(constant_time_equal(kSecret, other));
  for (std::byte& byte : other) {
    byte ^= std::byte{1};
    EXPECT_FALSE(constant_time_equal(kSecret, other));
    byte ^= std::byte{1};
  }
}

TEST(ConstantTimeEqual, FindsDifferentLengthsUnequal) {
  EXPECT_FALSE(constant_time_equal(kSecret, std::span(kSecret).first(8)));
}

TEST(ConstantTimeEqual, FindsTwoEmptySpansEqual) {
  EXPECT_TRUE(constant_time_equal({}, {}));
}

TEST(Wipe, ZeroesEveryByteOfTheSpanAndNoOther) {
  Bytes bytes(10, std::byte{7});
  wipe(std::span(bytes).subspan(2, 5));
  EXPECT_EQ(bytes, from_hex("07070000000000070707"));
}

}  // namespace
}  // namespace culvert
