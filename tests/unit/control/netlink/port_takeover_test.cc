// SPDX-License-Identifier: BSD-3-Clause
#include "control/netlink/port_takeover.h"

#include <gmock/gmock.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/wait.h>

#include <cerrno>
#include <string>

#include "tests/unit/control/netlink/network_fixture.h"

namespace culvert {
namespace {

using testing::ContainsRegex;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Not;

class PortTakeover : public NetworkTest {
 protected:
  void SetUp() override {
    NetworkTest::SetUp();
    if (IsSkipped()) return;
    auto made = create_port_namespace();
    ASSERT_TRUE(made) << made.error().message;
    port_namespace_ = std::move(*made);
  }

  int port_namespace() const { return port_namespace_.get(); }

  TakenPort take(const std::string& interface, std::uint32_t mtu = 1500) {
    auto taken = take_port(interface, port_namespace(), mtu);
    EXPECT_TRUE(taken) << taken.error().message;
    return taken ? std::move(*taken) : TakenPort{};
  }

  void give_back(TakenPort& taken) {
    const auto warnings = give_port_back(taken, port_namespace());
    ASSERT_TRUE(warnings) << warnings.error().message;
    EXPECT_THAT(*warnings, IsEmpty());
  }

  std::string refusal(const std::string& interface, std::uint32_t mtu = 1500) {
    const auto taken = take_port(interface, port_namespace(), mtu);
    return taken ? "taken" : taken.error().message;
  }

  // Settings that the move or we may change, as text to compare.
  static std::string everything_about(const std::string& interface) {
    return run("ip -o -d link show " + interface +
               " | sed 's/^[0-9]*: //; s/@[^:]*:/:/;"
               " s/state [A-Z]*//; s/NO-CARRIER,//; s/,LOWER_UP//; s/,M-DOWN//'") +
           run("ip -o -4 addr show dev " + interface + " | sed 's/^[0-9]*: //'") +
           run("ip route show dev " + interface) + run("ethtool -k " + interface);
  }

 private:
  UniqueFd port_namespace_;
};

TEST_F(PortTakeover, GivesAnInterfaceBackAsItWas) {
  run("ip link add wan0 mtu 1400 type veth peer name far0; ip link set far0 up;"
      "ip link set wan0 up promisc on; ip addr add 192.0.2.1/24 dev wan0;"
      "ip addr add 192.0.2.9/24 dev wan0; ip route add 10.0.0.0/8 via 192.0.2.2;"
      "ip route add 172.16.0.0/12 dev wan0 metric 7");
  const std::string before = everything_about("wan0");
  TakenPort taken = take("wan0");
  EXPECT_THAT(taken.warnings, IsEmpty());
  EXPECT_THAT(run("ip -o link"), Not(HasSubstr("wan0:")));
  give_back(taken);
  EXPECT_EQ(everything_about("wan0"), before);
}

TEST_F(PortTakeover, LeavesAnInterfaceDownThatWasDown) {
  run("ip link add wan0 type veth peer name far0");
  TakenPort taken = take("wan0");
  give_back(taken);
  EXPECT_THAT(run("ip -o link show wan0"), Not(HasSubstr(",UP")));
}

TEST_F(PortTakeover, BringsTheInterfaceUpPromiscuousWithThePortsMtuAndNoAddress) {
  run("ip link add wan0 type veth peer name far0; ip link set far0 up; ip link set wan0 up;"
      "ip addr add 192.0.2.1/24 dev wan0");
  take("wan0", 1280);
  const std::string link = run_in(port_namespace(), "ip -o link show wan0");
  EXPECT_THAT(link, HasSubstr("mtu 1280"));
  EXPECT_THAT(link, HasSubstr("PROMISC"));
  EXPECT_THAT(link, HasSubstr("UP"));
  EXPECT_THAT(run_in(port_namespace(), "ip addr show dev wan0"), Not(HasSubstr("inet")));
}

TEST_F(PortTakeover, TurnsItsOffloadsOff) {
  run("ip link add wan0 type veth peer name far0; ethtool -K wan0 gro on");
  take("wan0");
  const std::string features = run_in(port_namespace(), "ethtool -k wan0");
  EXPECT_THAT(features, HasSubstr("generic-receive-offload: off"));
  EXPECT_THAT(features, Not(ContainsRegex("(tcp-seg|generic-|large-|tx-check|rx-check)"
                                          "[^\n]*: on")));
}

TEST_F(PortTakeover, CompletesWhatAPeerInTheSameNamespaceSends) {
  run("ip link add wan0 type veth peer name far0");
  const std::string before = run("ethtool -k far0");
  TakenPort taken = take("wan0");
  EXPECT_THAT(run("ethtool -k far0"), HasSubstr("tcp-segmentation-offload: off"));
  EXPECT_THAT(run("ethtool -k far0"), HasSubstr("tx-checksumming: off"));
  give_back(taken);
  EXPECT_EQ(run("ethtool -k far0"), before);
}

TEST_F(PortTakeover, CompletesWhatAPeerInANamedNamespaceSends) {
  const std::string name = "culvert-test-" + std::to_string(::getpid());
  run("ip netns add " + name + "; ip link add wan0 type veth peer name far0 netns " + name);
  const std::string show = "ip netns exec " + name + " ethtool -k far0";
  const std::string before = run(show);
  TakenPort taken = take("wan0");
  EXPECT_THAT(taken.warnings, IsEmpty());
  EXPECT_THAT(run(show), HasSubstr("tx-checksumming: off"));
  give_back(taken);
  EXPECT_EQ(run(show), before);
  run("ip netns del " + name);
}

TEST_F(PortTakeover, CompletesWhatAPeerInAProcesssNamespaceSends) {
  auto far = create_port_namespace();
  ASSERT_TRUE(far);
  const pid_t owner = ::fork();
  if (owner == 0) {
    static_cast<void>(::setns(far->get(), CLONE_NEWNET));
    ::pause();
    ::_exit(0);
  }
  run("ip link add wan0 type veth peer name far0");
  while (run("readlink /proc/self/ns/net") ==
         run("readlink /proc/" + std::to_string(owner) + "/ns/net")) {
  }
  run("ip link set far0 netns " + std::to_string(owner));
  const TakenPort taken = take("wan0");
  EXPECT_THAT(taken.warnings, IsEmpty());
  EXPECT_THAT(run_in(far->get(), "ethtool -k far0"), HasSubstr("tx-checksumming: off"));
  ::kill(owner, SIGKILL);
  ::waitpid(owner, nullptr, 0);
}

TEST_F(PortTakeover, WarnsOfAPeerThatCannotBeReached) {
  auto far = create_port_namespace();
  ASSERT_TRUE(far);
  run("ip link add wan0 type veth peer name far0");
  // A namespace that only a descriptor holds: no path leads to it.
  run("ip link set far0 netns /proc/" + std::to_string(::getpid()) + "/fd/" +
      std::to_string(far->get()));
  const TakenPort taken = take("wan0");
  EXPECT_THAT(taken.warnings, ElementsAre(HasSubstr("wan0: the other end of this veth pair")));
}

TEST_F(PortTakeover, GivesBackAfterTheProcessThatUsedThePortWasKilled) {
  run("ip link add wan0 type veth peer name far0; ip link set far0 up; ip link set wan0 up;"
      "ip addr add 192.0.2.1/24 dev wan0");
  const std::string before = everything_about("wan0");
  TakenPort taken = take("wan0");
  const pid_t user = ::fork();
  if (user == 0) {
    static_cast<void>(::setns(port_namespace(), CLONE_NEWNET));
    static_cast<void>(::socket(AF_PACKET, SOCK_RAW, 0x0300));
    ::pause();
    ::_exit(0);
  }
  ::kill(user, SIGKILL);
  ::waitpid(user, nullptr, 0);
  give_back(taken);
  EXPECT_EQ(everything_about("wan0"), before);
}

TEST_F(PortTakeover, GivingBackAVanishedInterfaceIsNoError) {
  run("ip link add wan0 type veth peer name far0");
  TakenPort taken = take("wan0");
  run("ip link del far0");
  give_back(taken);
}

TEST_F(PortTakeover, GivingBackTwiceChangesNothing) {
  run("ip link add wan0 type veth peer name far0");
  TakenPort taken = take("wan0");
  give_back(taken);
  const std::string before = everything_about("wan0");
  give_back(taken);
  EXPECT_EQ(everything_about("wan0"), before);
}

TEST_F(PortTakeover, GivesBackUnderAnotherNameWhenItsOwnIsInUse) {
  run("ip link add wan0 type veth peer name far0");
  TakenPort taken = take("wan0");
  run("ip tuntap add wan0 mode tap");
  const auto warnings = give_port_back(taken, port_namespace());
  ASSERT_TRUE(warnings) << warnings.error().message;
  EXPECT_THAT(*warnings, ElementsAre(HasSubstr("given back as culvert")));
  EXPECT_THAT(run("ip -o link show type veth"), HasSubstr("culvert"));
}

TEST_F(PortTakeover, LeavesTheInterfaceAsItWasWhenTheMtuIsRefused) {
  run("ip link add wan0 type veth peer name far0; ip link set far0 up; ip link set wan0 up;"
      "ip addr add 192.0.2.1/24 dev wan0");
  const std::string before = everything_about("wan0");
  EXPECT_THAT(refusal("wan0", 70000), HasSubstr("wan0: cannot bring it up with mtu 70000: mtu "
                                                "greater than device maximum"));
  EXPECT_EQ(everything_about("wan0"), before);
}

TEST_F(PortTakeover, SaysWhatToDoAboutInterfacesItCannotTake) {
  run("ip link add bridge0 type bridge; ip link add wan0 type veth peer name far0;"
      "ip link set wan0 master bridge0; ip link add link far0 name upper0 type macvlan");
  EXPECT_EQ(refusal("none0"),
            "none0: no such interface in this network namespace; `ip link` lists them");
  EXPECT_EQ(refusal("wan0"),
            "wan0: is a member of bridge0; `ip link set wan0 nomaster` takes it out");
  EXPECT_EQ(refusal("far0"),
            "far0: upper0 stands on it and would be lost; remove upper0, or use "
            "another interface");
  EXPECT_EQ(refusal("lo"), "lo: the loopback interface cannot be a port");
}

}  // namespace
}  // namespace culvert
