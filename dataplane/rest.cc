// SPDX-License-Identifier: BSD-3-Clause
#include "dataplane/rest.h"

#include <sys/socket.h>

#include <algorithm>
#include <ctime>

namespace culvert {
namespace {

constexpr std::uint32_t kSpins = 16;  // rounds
// Gaps within a stream are shorter than all naps together; a packet that comes alone costs so many.
constexpr std::uint32_t kNaps = 20;  // rounds
constexpr timespec kNap{0, 50'000};
// Limit: a queue without a socket, a NIC's for example, cannot wake the worker, as receive
// interrupts are not used. Its first packet waits this long, and the sleep's overshoot, at most.
constexpr timespec kLookAgain{0, 250'000};

// An AF_PACKET socket whose interface went down is ready until somebody asks for its error.
void forget_error(int socket) {
  int error = 0;
  socklen_t bytes = sizeof error;
  static_cast<void>(getsockopt(socket, SOL_SOCKET, SO_ERROR, &error, &bytes));
}

}  // namespace

Rest::Rest(const Context& context) : context_(context), waits_(1) {
  for (const Rx::Queue& queue : context.rx_queues) {
    if (queue.socket < 0) {
      has_silent_queue_ = true;
    } else {
      waits_.push_back({.fd = queue.socket, .events = POLLIN, .revents = 0});
    }
  }
}

void Rest::after(std::size_t packets) {
  context_.counters.rounds.add(1);
  context_.qsbr.quiescent(context_.worker);
  if (packets != 0) {
    context_.counters.busy_rounds.add(1);
    idle_rounds_ = 0;
    return;
  }
  if (context_.mode == PollMode::busy || ++idle_rounds_ <= kSpins) return;
  context_.qsbr.offline(context_.worker);
  idle_rounds_ <= kSpins + kNaps ? nap() : sleep();
  context_.qsbr.online(context_.worker);
}

void Rest::nap() {
  clock_nanosleep(CLOCK_MONOTONIC, 0, &kNap, nullptr);
  context_.counters.sleeps.add(1);
}

void Rest::sleep() {
  const auto has_work = [this] {
    return std::ranges::any_of(context_.rings,
                               [](const rte_ring* ring) { return rte_ring_empty(ring) == 0; });
  };
  if (!context_.bell.sleep(waits_, has_silent_queue_ ? &kLookAgain : nullptr, has_work)) return;
  context_.counters.sleeps.add(1);
  for (const pollfd& wait : waits_) {
    if ((wait.revents & POLLERR) != 0) forget_error(wait.fd);
  }
}

}  // namespace culvert
