// SPDX-License-Identifier: BSD-3-Clause
#include "dataplane/link_probe.h"

#include <gtest/gtest.h>

#include <utility>

namespace culvert {
namespace {

TEST(LinkProbe, SaysNothingOfWhatItCannotAsk) {
  EXPECT_FALSE(LinkProbe().is_down());
  EXPECT_FALSE(LinkProbe("no-such-link").is_down());
  EXPECT_FALSE(LinkProbe("a-name-that-is-longer-than-any").is_down());
}

TEST(LinkProbe, AnswersAfterItWasMoved) {
  LinkProbe first("lo");
  const bool was_down = first.is_down();
  LinkProbe second;
  second = std::move(first);
  const LinkProbe third(std::move(second));
  EXPECT_EQ(third.is_down(), was_down);
}

}  // namespace
}  // namespace culvert
