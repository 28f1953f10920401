// SPDX-License-Identifier: BSD-3-Clause
#include "control/nonce_registry.h"

#include <gtest/gtest.h>

#include <array>

namespace culvert {
namespace {

KeyHash hash_of(const NonceRegistry& registry, char key) {
  const std::array<std::byte, 20> bytes{std::byte(key)};
  return registry.hash(bytes);
}

TEST(NonceRegistry, HashesAsBeforeUnderTheSameSecretOnly) {
  EXPECT_EQ(hash_of(NonceRegistry(1, 16), 'a'), hash_of(NonceRegistry(1, 16), 'a'));
  EXPECT_NE(hash_of(NonceRegistry(1, 16), 'a'), hash_of(NonceRegistry(2, 16), 'a'));
  EXPECT_NE(hash_of(NonceRegistry(1, 16), 'a'), hash_of(NonceRegistry(1, 16), 'b'));
}

TEST(NonceRegistry, NamesTheUserOfAKeyUntilItIsReleased) {
  NonceRegistry registry(1, 16);
  const KeyHash key = hash_of(registry, 'a');
  EXPECT_FALSE(registry.user(key));
  registry.claim(key, 7);
  EXPECT_EQ(registry.user(key), 7u);
  registry.release(key, 7, 100);
  EXPECT_FALSE(registry.user(key));
  EXPECT_EQ(registry.last_sequence(key), 100u);
}

TEST(NonceRegistry, LeavesAKeyThatSomebodyElseUsesWithHim) {
  NonceRegistry registry(1, 16);
  const KeyHash key = hash_of(registry, 'a');
  registry.claim(key, 7);
  registry.release(key, 8, 100);
  EXPECT_EQ(registry.user(key), 7u);
}

TEST(NonceRegistry, NeverGoesBack) {
  NonceRegistry registry(1, 16);
  const KeyHash key = hash_of(registry, 'a');
  registry.remember(key, 100);
  registry.remember(key, 50);
  EXPECT_EQ(registry.last_sequence(key), 100u);
}

TEST(NonceRegistry, ForgetsTheOldestOfTooMany) {
  NonceRegistry registry(1, 16);
  KeyHash key{};
  const auto numbered = [&key](std::size_t number) {
    for (std::size_t i = 0; i < sizeof number; ++i) key[i] = std::byte(number >> 8 * i);
    return key;
  };
  for (std::size_t i = 0; i <= NonceRegistry::kMaxTombstones; ++i) {
    registry.remember(numbered(i), 1);
  }
  EXPECT_EQ(registry.tombstones(), NonceRegistry::kMaxTombstones);
  EXPECT_EQ(registry.last_sequence(numbered(0)), 0u);
  EXPECT_EQ(registry.last_sequence(numbered(1)), 1u);
}

}  // namespace
}  // namespace culvert
