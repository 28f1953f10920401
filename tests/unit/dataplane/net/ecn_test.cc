// SPDX-License-Identifier: BSD-3-Clause
#include "dataplane/net/ecn.h"

#include <gtest/gtest.h>

namespace culvert {
namespace {

TEST(EcnOnDecapsulation, FollowsRfc6040Figure4) {
  struct Case {
    Ecn inner;
    Ecn outer;
    std::optional<Ecn> result;
  };
  constexpr Case kCases[] = {
      {Ecn::not_ect, Ecn::not_ect, Ecn::not_ect},
      {Ecn::not_ect, Ecn::ect0, Ecn::not_ect},
      {Ecn::not_ect, Ecn::ect1, Ecn::not_ect},
      {Ecn::not_ect, Ecn::ce, std::nullopt},
      {Ecn::ect0, Ecn::not_ect, Ecn::ect0},
      {Ecn::ect0, Ecn::ect0, Ecn::ect0},
      {Ecn::ect0, Ecn::ect1, Ecn::ect1},
      {Ecn::ect0, Ecn::ce, Ecn::ce},
      {Ecn::ect1, Ecn::not_ect, Ecn::ect1},
      {Ecn::ect1, Ecn::ect0, Ecn::ect1},
      {Ecn::ect1, Ecn::ect1, Ecn::ect1},
      {Ecn::ect1, Ecn::ce, Ecn::ce},
      {Ecn::ce, Ecn::not_ect, Ecn::ce},
      {Ecn::ce, Ecn::ect0, Ecn::ce},
      {Ecn::ce, Ecn::ect1, Ecn::ce},
      {Ecn::ce, Ecn::ce, Ecn::ce},
  };
  for (const Case& c : kCases) {
    EXPECT_EQ(ecn_on_decapsulation(c.inner, c.outer), c.result)
        << "inner " << static_cast<int>(c.inner) << " outer " << static_cast<int>(c.outer);
  }
}

TEST(EcnOnDecapsulation, IsKnownAtCompileTime) {
  static_assert(ecn_on_decapsulation(Ecn::ect0, Ecn::ce) == Ecn::ce);
  static_assert(!ecn_on_decapsulation(Ecn::not_ect, Ecn::ce));
}

}  // namespace
}  // namespace culvert
