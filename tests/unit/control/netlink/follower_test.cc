// SPDX-License-Identifier: BSD-3-Clause
#include "control/netlink/follower.h"

#include <fcntl.h>
#include <gmock/gmock.h>
#include <linux/if.h>
#include <linux/if_tun.h>
#include <poll.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <cstring>
#include <memory>
#include <optional>
#include <span>

#include "tests/unit/control/netlink/follower_fixture.h"

namespace culvert {
namespace {

using testing::Contains;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Not;
using testing::UnorderedElementsAre;

TEST_F(Follower, PutsTheConfigurationOntoTheMirrorsAndPushesIt) {
  make_mirrors();
  Config config = two_ports();
  config.routes = {{.prefix = prefix("10.2.0.0/16"), .hops = {{.via = ip("192.0.2.2"), .port = 0}}},
                   {.prefix = prefix("10.9.0.0/16"), .kind = RouteKind::blackhole}};
  config.neighbors = {
      {.family = Family::v4, .address = ip("10.1.0.2"), .mac = {2, 0, 0, 0, 0, 2}, .port = 1}};
  start(config);
  EXPECT_THAT(news(), ElementsAre("address_add 0 192.0.2.1/24", "address_add 1 10.1.0.1/16",
                                  "route_add 0 10.2.0.0/16 via 192.0.2.2",
                                  "route_add blackhole 10.9.0.0/16",
                                  "neighbor_set 1 10.1.0.2 02:00:00:00:00:02"));
  EXPECT_THAT(run("ip route"), HasSubstr("10.2.0.0/16 via 192.0.2.2 dev wan proto 203"));
  EXPECT_THAT(run("ip neigh show dev lan"), HasSubstr("10.1.0.2 lladdr 02:00:00:00:00:02 PERM"));
  EXPECT_THAT(run("ip -o link show lan"), HasSubstr("mtu 1400"));
}

TEST_F(Follower, TurnsReversePathFilteringOffOnMirrors) {
  make_mirrors();
  run("sysctl -w net.ipv4.conf.wan.rp_filter=1");
  start(two_ports());
  EXPECT_EQ(run("sysctl -n net.ipv4.conf.wan.rp_filter"), "0\n");
}

TEST_F(Follower, SetsUpAMirrorThatAppearsLater) {
  start(two_ports());
  EXPECT_THAT(news(), IsEmpty());
  make_mirrors();
  EXPECT_THAT(news(),
              UnorderedElementsAre("address_add 0 192.0.2.1/24", "address_add 1 10.1.0.1/16"));
}

TEST_F(Follower, LeavesOtherInterfacesOfAPortsNameAlone) {
  run("ip link add wan type veth peer name far");
  start(two_ports());
  run("ip addr add 192.0.2.77/24 dev wan");
  EXPECT_THAT(news(), IsEmpty());
  EXPECT_THAT(run("ip addr show dev wan"), Not(HasSubstr("192.0.2.1/24")));
}

TEST_F(Follower, ForgetsWhatAMirrorHadThatVanishes) {
  make_mirrors();
  start(two_ports());
  run("ip route add 10.5.0.0/16 via 192.0.2.5");
  static_cast<void>(news());
  run("ip link del wan");
  EXPECT_THAT(news(), ElementsAre("route_delete 10.5.0.0/16", "address_delete 0 192.0.2.1/24"));
}

TEST_F(Follower, FollowsRoutesOfTheMainTable) {
  make_mirrors();
  start(two_ports());
  static_cast<void>(news());
  const struct {
    const char* command;
    std::vector<std::string> pushed;
  } kStory[] = {
      {"ip route add 10.5.0.0/16 via 192.0.2.5", {"route_add 0 10.5.0.0/16 via 192.0.2.5"}},
      {"ip route replace 10.5.0.0/16 via 10.1.0.5", {"route_add 1 10.5.0.0/16 via 10.1.0.5"}},
      {"ip route add 10.5.0.0/16 via 192.0.2.6 metric 9", {}},
      {"ip route del 10.5.0.0/16 metric 0", {"route_add 0 10.5.0.0/16 via 192.0.2.6"}},
      {"ip route del 10.5.0.0/16", {"route_delete 10.5.0.0/16"}},
      {"ip route add unreachable 10.6.0.0/16", {"route_add blackhole 10.6.0.0/16"}},
      {"ip route add 10.7.0.0/16 dev lan", {"route_add 1 10.7.0.0/16 via 0.0.0.0"}},
      {"ip route add default nexthop via 10.1.0.7 nexthop via 192.0.2.7",
       {"route_hop 0 1 via 10.1.0.7 weight 1", "route_hop 1 0 via 192.0.2.7 weight 1",
        "route_add 0.0.0.0/0 2"}},
      {"ip route replace default nexthop via 192.0.2.7 weight 256 nexthop via 192.0.2.8",
       {"route_hop 0 0 via 192.0.2.7 weight 256", "route_hop 1 0 via 192.0.2.8 weight 1",
        "route_add 0.0.0.0/0 2"}},
      {"ip route replace default via 192.0.2.8", {"route_add 0 0.0.0.0/0 via 192.0.2.8"}},
      {"ip route add 10.8.0.0/16 dev lo", {"route_add blackhole 10.8.0.0/16"}},
      {"ip route add 10.8.1.0/24 via 192.0.2.5 table 7", {}},
  };
  for (const auto& step : kStory) {
    run(step.command);
    EXPECT_EQ(news(), step.pushed) << step.command;
  }
}

TEST_F(Follower, FollowsAddressesOfTheMirrors) {
  make_mirrors();
  start(two_ports());
  static_cast<void>(news());
  const struct {
    const char* command;
    std::vector<std::string> pushed;
  } kStory[] = {
      {"ip addr add 198.51.100.1/28 dev wan", {"address_add 0 198.51.100.1/28"}},
      {"ip addr del 198.51.100.1/28 dev wan", {"address_delete 0 198.51.100.1/28"}},
      {"ip addr add 198.51.100.1 peer 198.51.100.2 dev wan",
       {"address_add 0 198.51.100.1/32", "route_add 0 198.51.100.2/32 via 0.0.0.0"}},
      {"ip addr add 203.0.113.1/24 dev wan noprefixroute", {"address_add 0 203.0.113.1/32"}},
      {"ip addr add 203.0.113.9/24 dev lo", {}},
  };
  for (const auto& step : kStory) {
    run(step.command);
    EXPECT_EQ(news(), step.pushed) << step.command;
  }
}

TEST_F(Follower, FollowsNeighborsOfTheMirrors) {
  make_mirrors();
  start(two_ports());
  static_cast<void>(news());
  const struct {
    const char* command;
    std::vector<std::string> pushed;
  } kStory[] = {
      {"ip neigh add 192.0.2.2 lladdr 02:00:00:00:00:02 dev wan nud stale",
       {"neighbor_set 0 192.0.2.2 02:00:00:00:00:02"}},
      {"ip neigh replace 192.0.2.2 lladdr 02:00:00:00:00:03 dev wan nud reachable",
       {"neighbor_set 0 192.0.2.2 02:00:00:00:00:03"}},
      {"ip neigh change 192.0.2.2 dev wan nud failed", {"neighbor_delete 0 192.0.2.2"}},
      {"ip neigh replace 192.0.2.2 lladdr 02:00:00:00:00:03 dev wan nud permanent",
       {"neighbor_set 0 192.0.2.2 02:00:00:00:00:03"}},
      {"ip neigh del 192.0.2.2 dev wan", {"neighbor_delete 0 192.0.2.2"}},
  };
  for (const auto& step : kStory) {
    run(step.command);
    EXPECT_EQ(news(), step.pushed) << step.command;
  }
}

TEST_F(Follower, ForgetsTheRoutesOfAMirrorThatGoesDown) {
  make_mirrors();
  start(two_ports());
  run("ip route add 10.5.0.0/16 via 192.0.2.5");
  static_cast<void>(news());
  run("ip link set wan down");
  EXPECT_THAT(news(), ElementsAre("route_delete 10.5.0.0/16"));
}

TEST_F(Follower, PutsConfiguredRoutesBackWhenAMirrorComesUpAgain) {
  make_mirrors();
  Config config = two_ports();
  config.routes = {
      {.prefix = prefix("10.2.0.0/16"), .hops = {{.via = ip("192.0.2.2"), .port = 0}}}};
  start(config);
  run("ip link set wan down");
  static_cast<void>(news());
  run("ip link set wan up");
  EXPECT_THAT(news(), ElementsAre("route_add 0 10.2.0.0/16 via 192.0.2.2"));
}

TEST_F(Follower, ANewConfigurationRemovesWhatOnlyTheOldOneHad) {
  make_mirrors();
  Config config = two_ports();
  config.routes = {{.prefix = prefix("10.2.0.0/16"), .hops = {{.via = ip("192.0.2.2"), .port = 0}}},
                   {.prefix = prefix("10.3.0.0/16"), .hops = {{.via = ip("192.0.2.3"), .port = 0}}},
                   {.prefix = prefix("10.9.0.0/16"), .kind = RouteKind::blackhole}};
  start(config);
  run("ip route add 10.4.0.0/16 via 192.0.2.4; ip addr add 10.77.0.1/24 dev lan");
  static_cast<void>(news());
  config.routes.erase(config.routes.begin() + 1, config.routes.end());
  config.ports[1].addresses = {prefix("10.1.0.9/16")};
  EXPECT_THAT(follower_->apply_config(config), IsEmpty());
  EXPECT_THAT(news(),
              UnorderedElementsAre("address_add 1 10.1.0.9/16", "address_delete 1 10.1.0.1/16",
                                   "route_delete 10.3.0.0/16", "route_delete 10.9.0.0/16"));
}

TEST_F(Follower, SaysWhatLinuxRefusesOfANewConfiguration) {
  make_mirrors();
  start(two_ports());
  Config config = two_ports();
  config.routes = {
      {.prefix = prefix("10.2.0.0/16"), .hops = {{.via = ip("198.51.100.9"), .port = 0}}}};
  EXPECT_THAT(follower_->apply_config(config), ElementsAre(HasSubstr("route 10.2.0.0/16")));
  EXPECT_THAT(follower_->apply_config(two_ports()), IsEmpty());
}

TEST_F(Follower, ARestartedOneRemovesWhatOnlyAnEarlierConfigurationHad) {
  make_mirrors();
  start(two_ports());
  static_cast<void>(news());
  Config config = two_ports();
  config.ports[0].addresses = {prefix("192.0.2.9/24")};
  start(config);
  EXPECT_THAT(news(), ElementsAre("address_add 0 192.0.2.9/24", "address_add 1 10.1.0.1/16"));
  EXPECT_THAT(run("ip addr show dev wan"), Not(HasSubstr("192.0.2.1/24")));
}

TEST_F(Follower, LosesNothingWhenMessagesAreLost) {
  make_mirrors();
  start(two_ports());
  run("ip route add 10.5.0.0/16 via 192.0.2.5; ip route add 10.6.0.0/16 via 192.0.2.5");
  static_cast<void>(news());
  const int small = 1;
  ASSERT_EQ(::setsockopt(follower_->descriptor(), SOL_SOCKET, SO_RCVBUF, &small, sizeof small), 0);
  run("for i in $(seq 0 199); do echo route add 10.7.$i.0/24 via 192.0.2.5; done | ip -batch -;"
      "ip route del 10.6.0.0/16");
  const auto pushed = news();
  EXPECT_EQ(pushed.size(), 201u);
  EXPECT_THAT(pushed, Contains("route_add 0 10.7.199.0/24 via 192.0.2.5"));
  EXPECT_THAT(pushed, Contains("route_delete 10.6.0.0/16"));
}

TEST_F(Follower, PushesEverythingAgainForANewDataplane) {
  make_mirrors();
  start(two_ports());
  const auto first = news();
  follower_->push_all();
  EXPECT_EQ(news(), first);
}

TEST_F(Follower, PutsOffCallsThatComeFromInsidePush) {
  make_mirrors();
  start(two_ports());
  const auto all = news();
  on_push_ = [this] {
    on_push_ = {};
    follower_->on_readable();
    follower_->push_all();
  };
  run("ip addr add 198.51.100.1/28 dev lan");
  auto expected = all;
  expected.push_back("address_add 1 198.51.100.1/28");
  expected.insert(expected.begin(), "address_add 1 198.51.100.1/28");
  EXPECT_EQ(news(), expected);
}

// The other side of a mirror, as culvertd has it.
class Tap {
 public:
  explicit Tap(const std::string& name) : descriptor_(::open("/dev/net/tun", O_RDWR | O_CLOEXEC)) {
    ifreq request{};
    name.copy(request.ifr_name, IFNAMSIZ - 1);
    request.ifr_flags = IFF_TAP | IFF_NO_PI;
    EXPECT_EQ(::ioctl(descriptor_.get(), TUNSETIFF, &request), 0) << std::strerror(errno);
  }

  // Waits for an ARP frame; empty after a second without a frame.
  std::vector<std::uint8_t> receive_arp() {
    std::vector<std::uint8_t> frame(2048);
    pollfd waiting{.fd = descriptor_.get(), .events = POLLIN, .revents = 0};
    while (::poll(&waiting, 1, 1000) > 0) {
      const ssize_t length = ::read(descriptor_.get(), frame.data(), frame.size());
      if (length < 42 || frame[12] != 0x08 || frame[13] != 0x06) continue;
      frame.resize(static_cast<std::size_t>(length));
      return frame;
    }
    return {};
  }

  void send(std::span<const std::uint8_t> frame) {
    EXPECT_EQ(::write(descriptor_.get(), frame.data(), frame.size()),
              static_cast<ssize_t>(frame.size()));
  }

 private:
  UniqueFd descriptor_;
};

TEST_F(Follower, FollowsNexthopObjectsAsTheyChangeAndGo) {
  make_mirrors();
  start(two_ports());
  const Tap wan("wan");  // Linux wants a carrier
  std::optional<Tap> lan("lan");
  static_cast<void>(news());
  const struct {
    const char* command;
    std::vector<std::string> pushed;
  } kStory[] = {
      {"ip nexthop add id 1 via 192.0.2.5 dev wan", {}},
      {"ip nexthop add id 2 via 10.1.0.5 dev lan", {}},
      {"ip nexthop add id 7 group 1/2,3", {}},
      {"ip route add 10.5.0.0/16 nhid 7",
       {"route_hop 0 1 via 10.1.0.5 weight 3", "route_hop 1 0 via 192.0.2.5 weight 1",
        "route_add 10.5.0.0/16 2"}},
      {"ip nexthop replace id 7 group 1,4/2,3",
       {"route_hop 0 1 via 10.1.0.5 weight 3", "route_hop 1 0 via 192.0.2.5 weight 4",
        "route_add 10.5.0.0/16 2"}},
      {"ip nexthop del id 2", {"route_add 0 10.5.0.0/16 via 192.0.2.5"}},
      {"ip nexthop add id 2 via 10.1.0.5 dev lan; ip nexthop replace id 7 group 1/2",
       {"route_hop 0 1 via 10.1.0.5 weight 1", "route_hop 1 0 via 192.0.2.5 weight 1",
        "route_add 10.5.0.0/16 2"}},
  };
  for (const auto& step : kStory) {
    run(step.command);
    EXPECT_EQ(news(), step.pushed) << step.command;
  }
  lan.reset();
  // Linux tells of carriers once a second.
  std::vector<std::string> pushed;
  for (int i = 0; i < 200 && pushed.empty(); ++i) pushed = news();
  EXPECT_THAT(pushed, ElementsAre("route_add 0 10.5.0.0/16 via 192.0.2.5"));
  run("ip nexthop del id 1");
  EXPECT_THAT(news(), ElementsAre("route_delete 10.5.0.0/16"));
}

TEST_F(Follower, HasLinuxResolveANeighborThatTheDataplaneWants) {
  make_mirrors();
  start(two_ports());
  Tap tap("wan");
  static_cast<void>(news());
  follower_->on_event(neighbor_event(EventType::neighbor_wanted, "192.0.2.2"));
  // Ethernet destination at 0, source at 6; ARP operation at 20, sender at 22, target at 32.
  auto frame = tap.receive_arp();
  ASSERT_FALSE(frame.empty());
  EXPECT_THAT(std::vector(frame.begin() + 38, frame.begin() + 42), ElementsAre(192, 0, 2, 2));
  std::swap_ranges(frame.begin() + 22, frame.begin() + 32, frame.begin() + 32);
  const std::array<std::uint8_t, 6> their_mac{2, 0, 0, 0, 0, 9};
  std::copy_n(frame.begin() + 6, 6, frame.begin());
  std::copy(their_mac.begin(), their_mac.end(), frame.begin() + 6);
  std::copy(their_mac.begin(), their_mac.end(), frame.begin() + 22);
  frame[21] = 2;
  tap.send(frame);
  EXPECT_THAT(news(), ElementsAre("neighbor_set 0 192.0.2.2 02:00:00:00:00:09"));
}

TEST_F(Follower, HasLinuxConfirmANeighborInUse) {
  make_mirrors();
  start(two_ports());
  Tap tap("wan");
  run("ip neigh add 192.0.2.2 lladdr 02:00:00:00:00:02 dev wan nud stale");
  static_cast<void>(news());
  follower_->on_event(neighbor_event(EventType::neighbor_in_use, "192.0.2.2"));
  EXPECT_THAT(run("ip neigh show dev wan"), HasSubstr("DELAY"));
}

TEST_F(Follower, IgnoresEventsForPortsThatAreNot) {
  make_mirrors();
  start(two_ports());
  static_cast<void>(news());
  Event event = neighbor_event(EventType::neighbor_wanted, "192.0.2.2");
  event.port = 999;
  follower_->on_event(event);
  EXPECT_THAT(news(), IsEmpty());
}

}  // namespace
}  // namespace culvert
