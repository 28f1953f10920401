// SPDX-License-Identifier: BSD-3-Clause
#include "dataplane/hop_groups.h"

#include <gtest/gtest.h>

#include <cmath>
#include <cstdint>
#include <initializer_list>
#include <map>
#include <vector>

#include "dataplane/keyed_hash.h"

namespace culvert {
namespace {

using Members = std::vector<HopGroups::Member>;

// The n-th hop, on port n, as whatever group has it.
HopGroups::Member hop(std::uint16_t n, std::uint16_t weight = 1) {
  return {AdjacencyIndex{100u + n}, PortId{n}, weight, multiply_and_fold(n + 1, kHashSalt[2])};
}

class HopGroupsTest : public testing::Test {
 protected:
  HopGroupsTest() { EXPECT_TRUE(groups_.is_reserved()); }

  std::uint32_t take(const Members& members) { return groups_.take(members).value(); }

  // The hop of each bucket.
  [[nodiscard]] std::vector<std::uint32_t> picks(std::uint32_t group) const {
    std::vector<std::uint32_t> result;
    for (std::uint64_t hash = 0; hash < HopGroups::kBuckets; ++hash) {
      result.push_back(groups_.pick(group, hash).raw() - 100);
    }
    return result;
  }
  [[nodiscard]] std::map<std::uint32_t, double> shares(std::uint32_t group) const {
    std::map<std::uint32_t, double> result;
    for (const std::uint32_t hop : picks(group)) result[hop] += 1.0 / HopGroups::kBuckets;
    return result;
  }

  HopGroups groups_{8};
};

// Within four standard deviations of what was asked for.
void expect_share(double share, double wanted) {
  const double deviation = std::sqrt(wanted * (1 - wanted) / HopGroups::kBuckets);
  EXPECT_NEAR(share, wanted, 4 * deviation);
}

TEST_F(HopGroupsTest, GiveEqualHopsEqualShares) {
  for (const std::uint16_t count : std::initializer_list<std::uint16_t>{2, 3, 5, 32}) {
    Members members;
    for (std::uint16_t n = 0; n < count; ++n) members.push_back(hop(n));
    const auto shared = shares(take(members));
    ASSERT_EQ(shared.size(), count);
    for (const auto& [hop, share] : shared) expect_share(share, 1.0 / count);
  }
}

TEST_F(HopGroupsTest, GiveHopsWhatTheirWeightsAskFor) {
  const struct {
    std::uint16_t left;
    std::uint16_t right;
  } kStories[] = {{1, 2}, {3, 1}, {10, 90}, {256, 1}};
  for (const auto& story : kStories) {
    auto shared = shares(take({hop(0, story.left), hop(1, story.right)}));
    expect_share(shared[0], 1.0 * story.left / (story.left + story.right));
  }
  auto shared = shares(take({hop(0, 1), hop(1, 2), hop(2, 5)}));
  expect_share(shared[0], 1.0 / 8);
  expect_share(shared[1], 2.0 / 8);
  expect_share(shared[2], 5.0 / 8);
}

TEST_F(HopGroupsTest, WeighEqualWeightsTheSameHoweverLarge) {
  EXPECT_EQ(picks(take({hop(0, 7), hop(1, 7)})), picks(take({hop(0), hop(1)})));
}

TEST_F(HopGroupsTest, ChooseAlikeWhereverAndWheneverTheGroupIsMade) {
  const auto first = picks(take({hop(0), hop(1, 4), hop(2)}));
  EXPECT_EQ(picks(take({hop(2), hop(0), hop(1, 4)})), first);
}

// Both with equal weights and with others, which draw in another way.
TEST_F(HopGroupsTest, MoveOnlyTheFlowsOfTheHopThatGoes) {
  for (const std::uint16_t weight : std::initializer_list<std::uint16_t>{1, 3}) {
    const auto before = picks(take({hop(0), hop(1, weight), hop(2), hop(3)}));
    const auto after = picks(take({hop(0), hop(1, weight), hop(3)}));
    std::map<std::uint32_t, int> moved_to;
    for (std::size_t i = 0; i < before.size(); ++i) {
      if (before[i] != 2) {
        ASSERT_EQ(after[i], before[i]) << i;
      } else {
        ++moved_to[after[i]];
      }
    }
    EXPECT_EQ(moved_to.size(), 3u);  // all others take some
  }
}

TEST_F(HopGroupsTest, PassOverAHopWhoseLinkIsDownAndGiveItsFlowsBackLater) {
  const std::uint32_t group = take({hop(0), hop(1), hop(2)});
  const auto before = picks(group);
  EXPECT_TRUE(groups_.set_link(PortId{1}, false));
  EXPECT_FALSE(groups_.set_link(PortId{1}, false));
  const auto meanwhile = picks(group);
  for (std::size_t i = 0; i < before.size(); ++i) {
    if (before[i] == 1) {
      ASSERT_NE(meanwhile[i], 1u);
    } else {
      ASSERT_EQ(meanwhile[i], before[i]);
    }
  }
  EXPECT_TRUE(groups_.set_link(PortId{1}, true));
  EXPECT_EQ(picks(group), before);
}

TEST_F(HopGroupsTest, UseAllHopsWhereNoLinkIsUp) {
  const std::uint32_t group = take({hop(0), hop(1)});
  const auto before = picks(group);
  groups_.set_link(PortId{0}, false);
  groups_.set_link(PortId{1}, false);
  EXPECT_EQ(picks(group), before);
}

TEST_F(HopGroupsTest, KnowOfALinkThatWasDownBeforeTheGroupWas) {
  groups_.set_link(PortId{0}, false);
  EXPECT_EQ(shares(take({hop(0), hop(1)})).count(0), 0u);
}

TEST_F(HopGroupsTest, HaveRoomForSoManyAndUseItAgainAfterQuiescence) {
  std::vector<std::uint32_t> taken;
  for (int i = 0; i < 8; ++i) taken.push_back(take({hop(0), hop(1)}));
  const Members members{hop(0), hop(1)};
  EXPECT_EQ(groups_.take(members), std::nullopt);
  groups_.retire(taken[3]);
  EXPECT_EQ(groups_.take(members), std::nullopt);
  groups_.recycle();
  EXPECT_EQ(groups_.take(members), taken[3]);
}

}  // namespace
}  // namespace culvert
