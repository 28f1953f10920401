// SPDX-License-Identifier: BSD-3-Clause
#include "dataplane/new_sockets.h"

#include <gtest/gtest.h>
#include <sys/socket.h>
#include <unistd.h>

#include <vector>

namespace culvert {
namespace {

TEST(NewSockets, AreThoseOfTheDomainThatWereOpenedSinceInOrder) {
  const int earlier = socket(AF_UNIX, SOCK_DGRAM, 0);
  const NewSockets sockets(AF_UNIX);
  const int first = socket(AF_UNIX, SOCK_DGRAM, 0);
  const int other_domain = socket(AF_INET, SOCK_DGRAM, 0);
  const int second = socket(AF_UNIX, SOCK_STREAM, 0);
  ASSERT_GE(second, 0);
  EXPECT_EQ(sockets.opened(), (std::vector<int>{first, second}));
  close(first);
  EXPECT_EQ(sockets.opened(), (std::vector<int>{second}));
  for (const int descriptor : {earlier, other_domain, second}) close(descriptor);
}

}  // namespace
}  // namespace culvert
