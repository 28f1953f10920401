// SPDX-License-Identifier: BSD-3-Clause
#include "control/netlink/forwarding_view.h"

#include <gmock/gmock.h>

#include "tests/unit/control/netlink/request_text.h"

namespace culvert {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

constexpr InterfaceIndex kWan = 10;
constexpr HardwareAddress kMac{2, 0, 0, 0, 0, 1};
constexpr HardwareAddress kOtherMac{2, 0, 0, 0, 0, 2};

IpAddress ip(std::string_view text) {
  return parse_address(text)->address;
}

class ForwardingViewTest : public testing::Test {
 protected:
  ForwardingViewTest() { view_.replace(LinuxState{.mirrors = {{kWan, 0}}}); }

  // What the view pushes for the changes since the last call.
  std::vector<std::string> settled() {
    view_.settle();
    return std::exchange(pushed_, {});
  }

  static LinuxRoute default_route(std::string_view gateway) {
    return {.prefix = {}, .hops = {{.interface = kWan, .gateway = ip(gateway)}}};
  }

  std::vector<std::string> pushed_;
  ForwardingView view_{[this](const Request& request) { pushed_.push_back(text_of(request)); }};
  const PortAddress address_{.port = 0, .address = ip("192.0.2.1"), .bits = 24};
  const PortNeighbor neighbor_{.port = 0, .address = ip("192.0.2.2")};
};

TEST_F(ForwardingViewTest, PushesAddressesBeforeRoutesBeforeNeighbors) {
  view_.set_neighbor(neighbor_, kMac);
  view_.add_route(default_route("192.0.2.2"), RoutePlace::first);
  view_.add_address(address_);
  EXPECT_THAT(settled(),
              ElementsAre("address_add 0 192.0.2.1/24", "route_add 0 0.0.0.0/0 via 192.0.2.2",
                          "neighbor_set 0 192.0.2.2 02:00:00:00:00:01"));
}

TEST_F(ForwardingViewTest, PushesNothingForWhatTheDataplaneKnows) {
  view_.add_address(address_);
  view_.set_neighbor(neighbor_, kMac);
  static_cast<void>(settled());
  view_.add_address(address_);
  view_.set_neighbor(neighbor_, kMac);
  EXPECT_THAT(settled(), IsEmpty());
}

TEST_F(ForwardingViewTest, MakesOneRequestOfARouteThatChangesTwice) {
  view_.add_route(default_route("192.0.2.2"), RoutePlace::first);
  view_.add_route(default_route("192.0.2.3"), RoutePlace::instead);
  EXPECT_THAT(settled(), ElementsAre("route_add 0 0.0.0.0/0 via 192.0.2.3"));
}

TEST_F(ForwardingViewTest, AReplacedStatePushesOnlyTheDifferences) {
  view_.add_address(address_);
  view_.add_route(default_route("192.0.2.2"), RoutePlace::first);
  view_.set_neighbor(neighbor_, kMac);
  static_cast<void>(settled());
  LinuxState state = view_.linux_state();
  state.addresses = {{.port = 0, .address = ip("192.0.2.9"), .bits = 24}};
  state.neighbors[neighbor_] = kOtherMac;
  view_.replace(std::move(state));
  EXPECT_THAT(settled(), ElementsAre("address_add 0 192.0.2.9/24",
                                     "neighbor_set 0 192.0.2.2 02:00:00:00:00:02",
                                     "address_delete 0 192.0.2.1/24"));
}

TEST_F(ForwardingViewTest, PushesDeletesForWhatIsGone) {
  view_.add_route(default_route("192.0.2.2"), RoutePlace::first);
  view_.set_neighbor(neighbor_, kMac);
  static_cast<void>(settled());
  view_.remove_route(default_route("192.0.2.2"));
  view_.remove_neighbor(neighbor_);
  EXPECT_THAT(settled(), ElementsAre("route_delete 0.0.0.0/0", "neighbor_delete 0 192.0.2.2"));
}

TEST_F(ForwardingViewTest, PushesEverythingForADataplaneThatStartsEmpty) {
  view_.add_address(address_);
  view_.add_route(default_route("192.0.2.2"), RoutePlace::first);
  const auto first = settled();
  view_.push_all();
  EXPECT_EQ(pushed_, first);
}

TEST_F(ForwardingViewTest, RepeatsAKnownNeighborThatTheDataplaneAsksFor) {
  view_.set_neighbor(neighbor_, kMac);
  static_cast<void>(settled());
  view_.repeat_neighbor(neighbor_);
  EXPECT_THAT(settled(), ElementsAre("neighbor_set 0 192.0.2.2 02:00:00:00:00:01"));
}

TEST_F(ForwardingViewTest, IsSilentAboutAnUnknownNeighborThatTheDataplaneAsksFor) {
  view_.repeat_neighbor(neighbor_);
  EXPECT_THAT(settled(), IsEmpty());
}

}  // namespace
}  // namespace culvert
