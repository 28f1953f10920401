// SPDX-License-Identifier: BSD-3-Clause
// Stock iproute2 against the XFRM server and, with the same commands, against the kernel: policies.
#include <gmock/gmock.h>

#include <string>

#include "control/policy_text.h"
#include "tests/unit/control/xfrm/xfrm_fixture.h"

namespace culvert::test {
namespace {

using ::testing::HasSubstr;

constexpr char kScript[] = R"(
say() { echo "> $*"; "$@"; echo "= $?"; }
T="tmpl src 192.0.2.1 dst 192.0.2.2 proto esp reqid 1 mode tunnel"
S="src 10.1.0.0/16 dst 10.2.0.0/16"
)";

class Iproute2Policy : public XfrmFixture {
 protected:
  // The same commands print the same here as on Linux.
  void same_as_kernel(const std::string& commands) {
    const std::string script = kScript + commands;
    const Outcome ours = run(script);
    const Outcome kernels = run_in_kernel(script);
    EXPECT_EQ(normalized(ours.output), normalized(kernels.output));
    EXPECT_EQ(ours.status, kernels.status);
  }
};

TEST_F(Iproute2Policy, AddListGetAndDeleteLookAsInTheKernel) {
  same_as_kernel(R"(
say ip xfrm policy add $S dir out index 41 priority 100 $T
say ip xfrm policy add $S dir out priority 100 $T
say ip xfrm policy add $S dir in index 48 $T
say ip xfrm policy add $S dir fwd $T mark 5 mask 0xff if_id 7
ip xfrm policy
ip -s xfrm policy
say ip xfrm policy get $S dir out
say ip xfrm policy get dir out index 41
say ip xfrm policy get dir in index 41
say ip xfrm policy get $S dir fwd
say ip xfrm policy get $S dir fwd mark 5 mask 0xff if_id 7
say ip xfrm policy delete $S dir out
say ip xfrm policy delete $S dir out
say ip xfrm policy get $S dir out
say ip xfrm policy delete dir in index 48
ip -s xfrm policy
)");
}

// It cannot say what they are for, so it neither lists, counts, finds nor flushes them.
TEST_F(Iproute2Policy, KnowsNothingOfPoliciesWithRanges) {
  const PolicyReading reading = policy_of_fields({{"direction", "out"},
                                                  {"action", "discard"},
                                                  {"src", "10.1.0.5-10.1.0.90"},
                                                  {"dst", "10.2.0.0/16"}},
                                                 PolicyOrigin::command);
  const Result<Policy> added = manager().add_policy(*reading.policy);
  ASSERT_TRUE(added);
  const std::string index = std::to_string(added->index);
  EXPECT_EQ(ip("xfrm policy list").output, "");
  EXPECT_THAT(ip("xfrm policy count").output, HasSubstr("OUT 0"));
  EXPECT_NE(ip("xfrm policy get dir out index " + index).status, 0);
  EXPECT_NE(ip("xfrm policy delete dir out index " + index).status, 0);
  EXPECT_EQ(ip("xfrm policy flush").status, 0);
  EXPECT_TRUE(manager().find_policy(PolicyDirection::out, added->index));
}

TEST_F(Iproute2Policy, UpdateReplacesOrAddsAsInTheKernel) {
  same_as_kernel(R"(
say ip xfrm policy update $S dir out $T
say ip xfrm policy update $S dir out priority 7 action block
ip -s xfrm policy
say ip xfrm policy update $S dir out mark 1 $T
ip -s xfrm policy
)");
}

TEST_F(Iproute2Policy, OptionsComeBackAsInTheKernel) {
  same_as_kernel(R"(
say ip xfrm policy add src 10.1.0.1 dst 10.2.0.0/24 proto tcp sport 80 dport 443 dir out flag localok \
    limit byte-soft 10 limit byte-hard 20 limit packet-soft 30 limit time-hard 40 $T
say ip xfrm policy add src 10.1.0.1 dst 10.2.0.0/24 proto icmp type 8 code 0 dir in $T level use
say ip xfrm policy add src 10.1.0.2 dst 10.2.0.0/24 dir out action block priority 5
say ip xfrm policy add src 10.1.0.3 dst 10.2.0.0/24 dir out index 41 action allow
ip -s xfrm policy
)");
}

TEST_F(Iproute2Policy, ErrorsReadAsInTheKernel) {
  same_as_kernel(R"(
say ip xfrm policy add $S dir out index 42 action block
say ip xfrm policy add $S dir out $T $T $T $T $T $T $T
say ip xfrm policy add $S dir out tmpl src ::1 dst ::2 proto esp mode transport
say ip xfrm policy add $S dir out $T level use
say ip xfrm policy get dir out index 9
say ip xfrm policy delete dir out index 17
say ip xfrm policy delete $S dir in
say ip xfrm state delete src 192.0.2.1 dst 192.0.2.2 proto esp spi 0x1001
say ip xfrm state get src 192.0.2.1 dst 192.0.2.2 proto esp spi 0x1001
say ip xfrm state allocspi src 192.0.2.1 dst 192.0.2.2 proto comp mode tunnel min 0x300 max 0x30000
say ip xfrm state flush
say ip xfrm policy flush
)");
}

TEST_F(Iproute2Policy, CountFlushAndDefaultsLookAsInTheKernel) {
  same_as_kernel(R"(
say ip xfrm policy add $S dir out $T
say ip xfrm policy add $S dir in $T
say ip xfrm policy add $S dir fwd $T
say ip xfrm policy count
say ip -s xfrm policy count
say ip xfrm policy deleteall dir in
say ip xfrm policy count
say ip xfrm policy flush
say ip xfrm policy count
say ip xfrm policy getdefault
say ip xfrm policy setdefault in block
say ip xfrm policy getdefault
say ip xfrm policy setdefault out block in accept
say ip xfrm policy getdefault
say ip xfrm policy set hthresh4 24 32
say ip xfrm policy set hthresh4 33 32
say sh -c 'ip -s -s xfrm policy count | grep thresholds'
)");
}

TEST_F(Iproute2Policy, LarvalSasLookAsInTheKernel) {
  same_as_kernel(R"(
say ip xfrm state allocspi src 192.0.2.1 dst 192.0.2.2 proto esp mode tunnel reqid 3 min 0x300 max 0x300
say ip -s xfrm state
say ip xfrm state count
)");
}

TEST_F(Iproute2Policy, ABatchStopsAtItsFirstError) {
  same_as_kernel(R"(
printf 'xfrm policy add %s dir out\nxfrm policy delete %s dir in\nxfrm policy add %s dir in\n' \
    "$S" "$S" "$S" | ip -batch - ; echo "= $?"
ip xfrm policy
)");
}

TEST_F(Iproute2Policy, MonitorHearsOfChanges) {
  const Outcome monitor = run(std::string(kScript) + R"(
ip xfrm monitor policy & sleep 0.3
ip xfrm policy add $S dir out $T
ip xfrm policy update $S dir out priority 3 $T
ip xfrm policy delete $S dir out
ip xfrm policy add $S dir out
ip xfrm policy flush
sleep 0.2; kill $!
)");
  EXPECT_THAT(monitor.output, HasSubstr("src 10.1.0.0/16 dst 10.2.0.0/16"));
  EXPECT_THAT(monitor.output, HasSubstr("Updated src 10.1.0.0/16 dst 10.2.0.0/16"));
  EXPECT_THAT(monitor.output, HasSubstr("Deleted src 10.1.0.0/16 dst 10.2.0.0/16"));
  EXPECT_THAT(monitor.output, HasSubstr("Flushed policy"));
}

}  // namespace
}  // namespace culvert::test
