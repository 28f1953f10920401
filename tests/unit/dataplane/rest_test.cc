// SPDX-License-Identifier: BSD-3-Clause
#include "dataplane/rest.h"

#include <gtest/gtest.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <cstdint>
#include <memory>
#include <thread>

namespace culvert {
namespace {

// More idle rounds than any worker makes before it sleeps.
constexpr int kManyRounds = 200;

class RestOfAWorker : public testing::Test {
 protected:
  void SetUp() override {
    ASSERT_TRUE(bell_.open());
    ASSERT_EQ(socketpair(AF_UNIX, SOCK_DGRAM, 0, sockets_.data()), 0);
    for (Ring& ring : rings_) {
      ring.reset(rte_ring_create(&ring == &rings_[0] ? "rest0" : "rest1", 4, SOCKET_ID_ANY, 0));
      ASSERT_NE(ring, nullptr);
    }
    qsbr_.start(0);
  }
  void TearDown() override {
    for (const int descriptor : sockets_) close(descriptor);
  }

  // Of a worker with one receive queue, whose socket this is.
  [[nodiscard]] Rest rest(PollMode mode, int socket) {
    queues_[0].socket = socket;
    return Rest({.mode = mode,
                 .qsbr = qsbr_,
                 .worker = 0,
                 .counters = counters_,
                 .bell = bell_,
                 .rings = {rings_[0].get(), rings_[1].get()},
                 .rx_queues = queues_});
  }

  void receive_frame() { ASSERT_EQ(write(sockets_[1], "frame", 5), 5); }

  static void be_idle(Rest& rest, int rounds) {
    for (int i = 0; i < rounds; ++i) rest.after(0);
  }

  struct FreeRing {
    void operator()(rte_ring* ring) const { rte_ring_free(ring); }
  };
  using Ring = std::unique_ptr<rte_ring, FreeRing>;

  std::array<int, 2> sockets_{-1, -1};
  std::array<Ring, 2> rings_;
  std::array<Rx::Queue, 1> queues_{};
  Qsbr qsbr_{1};
  WorkerCounters counters_;
  Bell bell_;
};

TEST_F(RestOfAWorker, IsNoneInBusyMode) {
  Rest rest = this->rest(PollMode::busy, sockets_[0]);
  be_idle(rest, kManyRounds);
  EXPECT_EQ(counters_.rounds.get(), std::uint64_t{kManyRounds});
  EXPECT_EQ(counters_.sleeps.get(), 0u);
}

TEST_F(RestOfAWorker, IsNoneWhileThereIsTraffic) {
  Rest rest = this->rest(PollMode::adaptive, sockets_[0]);
  for (int i = 0; i < kManyRounds; ++i) rest.after(1);
  EXPECT_EQ(counters_.busy_rounds.get(), std::uint64_t{kManyRounds});
  EXPECT_EQ(counters_.sleeps.get(), 0u);
}

// The frame stays where it is: every sleep of all these rounds has to end by it.
TEST_F(RestOfAWorker, EndsWhenAFrameArrives) {
  Rest rest = this->rest(PollMode::adaptive, sockets_[0]);
  receive_frame();
  be_idle(rest, kManyRounds);
  EXPECT_GT(counters_.sleeps.get(), 0u);
}

TEST_F(RestOfAWorker, EndsWhenTheBellRings) {
  Rest rest = this->rest(PollMode::adaptive, sockets_[0]);
  std::thread worker([&] {
    while (rte_ring_empty(rings_[1].get()) != 0) rest.after(0);
  });
  while (counters_.sleeps.get() == 0) std::this_thread::yield();
  int packet = 0;
  ASSERT_EQ(rte_ring_enqueue(rings_[1].get(), &packet), 0);
  bell_.ring_if_asleep();
  worker.join();
}

TEST_F(RestOfAWorker, DoesNotBeginWhileARingHoldsPackets) {
  Rest rest = this->rest(PollMode::adaptive, sockets_[0]);
  int packet = 0;
  ASSERT_EQ(rte_ring_enqueue(rings_[0].get(), &packet), 0);
  be_idle(rest, kManyRounds);
  EXPECT_LT(counters_.sleeps.get(), std::uint64_t{kManyRounds});
}

TEST_F(RestOfAWorker, EndsByItselfWhereAQueueHasNoSocket) {
  Rest rest = this->rest(PollMode::adaptive, -1);
  be_idle(rest, kManyRounds);
  EXPECT_GT(counters_.sleeps.get(), 0u);
}

TEST_F(RestOfAWorker, IsNotWaitedForByTheHousekeeper) {
  Rest rest = this->rest(PollMode::adaptive, sockets_[0]);
  std::atomic<bool> is_over{false};
  std::thread worker([&] {
    while (!is_over.load()) rest.after(0);
    qsbr_.offline(0);
  });
  while (counters_.sleeps.get() == 0) std::this_thread::yield();
  qsbr_.wait();
  is_over.store(true);
  bell_.ring();
  worker.join();
}

}  // namespace
}  // namespace culvert
