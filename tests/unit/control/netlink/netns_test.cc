// SPDX-License-Identifier: BSD-3-Clause
#include "control/netlink/netns.h"

#include <gmock/gmock.h>

#include <cerrno>

#include "tests/unit/control/netlink/network_fixture.h"

namespace culvert {
namespace {

using testing::AllOf;
using testing::HasSubstr;
using testing::Not;

class NetworkNamespace : public NetworkTest {};

TEST_F(NetworkNamespace, FunctionsRunInsideAndTheCallerStaysOutside) {
  auto inner = create_port_namespace();
  ASSERT_TRUE(inner) << inner.error().message;
  run("ip tuntap add outside mode tap");
  EXPECT_THAT(run_in(inner->get(), "ip -o link show"),
              AllOf(HasSubstr("lo:"), Not(HasSubstr("outside"))));
  EXPECT_THAT(run("ip -o link show"), HasSubstr("outside"));
}

TEST_F(NetworkNamespace, TheFunctionsErrorIsReturned) {
  auto inner = create_port_namespace();
  ASSERT_TRUE(inner);
  const auto done = inside_network_namespace(inner->get(), []() -> Result<void> {
    return Error{EBUSY, "busy"};
  });
  ASSERT_FALSE(done);
  EXPECT_EQ(done.error().code, EBUSY);
}

TEST_F(NetworkNamespace, ADescriptorThatIsNoNamespaceIsAnError) {
  const auto done = inside_network_namespace(-1, []() -> Result<void> { return {}; });
  ASSERT_FALSE(done);
  EXPECT_THAT(done.error().message, HasSubstr("cannot enter a network namespace"));
}

TEST_F(NetworkNamespace, PortNamespacesHaveNoIpv6AndForwardNothing) {
  auto inner = create_port_namespace();
  ASSERT_TRUE(inner);
  run_in(inner->get(), "ip tuntap add later mode tap; ip link set later up");
  EXPECT_EQ(run_in(inner->get(),
                   "sysctl -n net.ipv4.ip_forward net.ipv4.conf.later.forwarding "
                   "net.ipv6.conf.later.disable_ipv6"),
            "0\n0\n1\n");
  EXPECT_THAT(run_in(inner->get(), "ip -o link show lo"), HasSubstr("UP"));
}

}  // namespace
}  // namespace culvert
