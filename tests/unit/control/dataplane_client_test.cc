// SPDX-License-Identifier: BSD-3-Clause
#include "control/dataplane_client.h"

#include <gtest/gtest.h>

#include <cerrno>
#include <chrono>
#include <vector>

#include "tests/unit/control/fake_dataplane.h"

namespace culvert {
namespace {

using std::chrono::milliseconds;

class DataplaneClientTest : public ::testing::Test {
 protected:
  DataplaneClientTest() { EXPECT_EQ(regions_.attach(dataplane_.descriptors(), Side::control), ""); }
  [[nodiscard]] DataplaneClient client(milliseconds timeout = milliseconds(10'000)) {
    return {regions_, dataplane_.descriptors(), timeout};
  }

  FakeDataplane dataplane_;
  Regions regions_;
};

constexpr Request kHarmless{.op = RequestOp::route_delete};

TEST_F(DataplaneClientTest, NumbersRequestsFromOneAndWaitsForTheirAnswers) {
  DataplaneClient client = this->client();
  EXPECT_EQ(*client.push(kHarmless), 1u);
  EXPECT_EQ(*client.push(kHarmless), 2u);
  ASSERT_TRUE(client.finish(1));
  EXPECT_TRUE(client.is_answered(2));
  EXPECT_FALSE(client.is_answered(3));
}

TEST_F(DataplaneClientTest, SaysWhichRequestsWereRefused) {
  dataplane_.set_refuse([](const Request& request) {
    return request.index == 7 ? Refusal::duplicate_sa : Refusal::none;
  });
  DataplaneClient client = this->client();
  for (std::uint32_t i = 0; i < 10; ++i) {
    ASSERT_TRUE(client.push({.op = RequestOp::route_delete, .index = i}));
  }
  const auto refused = client.finish(1);
  ASSERT_TRUE(refused);
  ASSERT_EQ(refused->size(), 1u);
  EXPECT_EQ(refused->front().sequence, 8u);
  EXPECT_EQ(refusal_error(refused->front().refusal).code, EEXIST);
}

TEST_F(DataplaneClientTest, KeepsEarlierRefusalsFromLaterQuestions) {
  dataplane_.set_refuse([](const Request&) { return Refusal::bad_port; });
  DataplaneClient client = this->client();
  ASSERT_TRUE(client.push(kHarmless));
  const std::uint64_t mine = *client.push(kHarmless);
  const auto refused = client.finish(mine);
  ASSERT_TRUE(refused);
  EXPECT_EQ(refused->size(), 1u);
}

TEST_F(DataplaneClientTest, PipelinesMoreRequestsThanTheRingHolds) {
  DataplaneClient client = this->client();
  for (std::size_t i = 0; i < 3 * kRingSlots; ++i) ASSERT_TRUE(client.push(kHarmless));
  ASSERT_TRUE(client.finish(1));
  EXPECT_EQ(dataplane_.take_requests().size(), 3 * kRingSlots);
}

TEST_F(DataplaneClientTest, GivesUpOnADataplaneThatDoesNotAnswer) {
  dataplane_.stop();
  DataplaneClient client = this->client(milliseconds(50));
  ASSERT_TRUE(client.push(kHarmless));
  const auto start = std::chrono::steady_clock::now();
  const auto answers = client.finish(1);
  ASSERT_FALSE(answers);
  EXPECT_EQ(answers.error().code, ETIMEDOUT);
  EXPECT_LT(std::chrono::steady_clock::now() - start, std::chrono::seconds(2));
}

TEST_F(DataplaneClientTest, GivesUpWhenTheRingStaysFull) {
  dataplane_.stop();
  DataplaneClient client = this->client(milliseconds(50));
  for (std::size_t i = 0; i < kRingSlots; ++i) ASSERT_TRUE(client.push(kHarmless));
  EXPECT_EQ(client.push(kHarmless).error().code, ETIMEDOUT);
}

TEST_F(DataplaneClientTest, GoesOnWhereAnEarlierControlStopped) {
  {
    DataplaneClient first = client();
    ASSERT_TRUE(first.push(kHarmless));
    ASSERT_TRUE(first.finish(1));
    ASSERT_TRUE(first.push(kHarmless));
    first.kick();
  }
  DataplaneClient second = client();
  ASSERT_TRUE(second.finish(0));
  EXPECT_EQ(*second.push(kHarmless), 3u);
  const auto refused = second.finish(3);
  ASSERT_TRUE(refused);
  EXPECT_TRUE(refused->empty());
}

TEST_F(DataplaneClientTest, HandsEventsToItsCallback) {
  DataplaneClient client = this->client();
  std::vector<std::uint16_t> ports;
  client.set_event_callback([&ports](const Event& event) { ports.push_back(event.port); });
  dataplane_.push_event({.type = EventType::neighbor_wanted, .port = 3});
  dataplane_.push_event({.type = EventType::neighbor_wanted, .port = 4});
  client.on_readable();
  EXPECT_EQ(ports, (std::vector<std::uint16_t>{3, 4}));
}

TEST_F(DataplaneClientTest, RingsAgainForEventsThatCameWithAnswers) {
  DataplaneClient client = this->client();
  dataplane_.push_event({.type = EventType::link_change});
  ASSERT_TRUE(client.push(kHarmless));
  ASSERT_TRUE(client.finish(1));
  pollfd bell{.fd = client.descriptor(), .events = POLLIN, .revents = 0};
  EXPECT_EQ(poll(&bell, 1, 1000), 1);
}

TEST_F(DataplaneClientTest, NoticesThatTheDataplaneStartedAnew) {
  DataplaneClient client = this->client();
  int calls = 0;
  client.set_new_incarnation_callback([&calls] { ++calls; });
  client.check_incarnation();
  EXPECT_EQ(calls, 0);
  dataplane_.stop();
  ASSERT_TRUE(client.push(kHarmless));
  dataplane_.start();  // passes over what was asked of the dead one
  const auto answers = client.finish(1);
  ASSERT_FALSE(answers);
  EXPECT_EQ(answers.error().code, EAGAIN);
  client.check_incarnation();
  client.check_incarnation();
  EXPECT_EQ(calls, 1);
  ASSERT_TRUE(client.push(kHarmless));
  EXPECT_TRUE(client.finish(2));
}

TEST_F(DataplaneClientTest, BoundsWhatTheDataplaneSaysOfItself) {
  DataplaneStatus& status = dataplane_.regions().state().status;
  status.worker_count = 1'000'000;
  status.port_count = 1'000'000;
  status.version.fill('x');
  const DataplaneView view = client().view();
  EXPECT_EQ(view.worker_count, kMaxWorkers);
  EXPECT_EQ(view.port_count, kMaxPorts);
  EXPECT_EQ(view.version.size(), 32u);
}

TEST_F(DataplaneClientTest, PassesOverAnswersThatNobodyAskedFor) {
  dataplane_.stop();
  DataplaneClient client = this->client(milliseconds(50));
  StateHead& state = dataplane_.regions().state();
  RingWriter<Completion> completions(state.completions, state.completions_produced,
                                     regions_.requests().completions_consumed);
  ASSERT_TRUE(completions.push({99, Refusal::none, {}}));
  ASSERT_TRUE(client.push(kHarmless));
  EXPECT_FALSE(client.finish(1));
}

}  // namespace
}  // namespace culvert
