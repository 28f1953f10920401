// SPDX-License-Identifier: BSD-3-Clause
#include <gtest/gtest.h>

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <thread>

#include "dataplane/shm/layout.h"
#include "dataplane/shm/ring.h"

namespace culvert {
namespace {

constexpr std::size_t kSlots = 32;
constexpr std::uint32_t kSpecs = kSlots;  // so that full rings come about
constexpr std::uint64_t kRequests = 100'000;

// What control and the dataplane share of one direction each, and the specs beside the rings.
struct Shared {
  std::array<Request, kSlots> requests{};
  std::array<Completion, kSlots> completions{};
  alignas(64) std::atomic<std::uint64_t> requests_produced{0};
  std::atomic<std::uint64_t> completions_consumed{0};
  alignas(64) std::atomic<std::uint64_t> requests_consumed{0};
  std::atomic<std::uint64_t> completions_produced{0};
  std::array<SaSpec, kSpecs> specs{};
};

// The dataplane's side: answers request n about the spec it names.
void answer_all(Shared& shared) {
  RingReader<Request> requests(shared.requests, shared.requests_produced, shared.requests_consumed);
  RingWriter<Completion> completions(shared.completions, shared.completions_produced,
                                     shared.completions_consumed);
  for (std::uint64_t done = 0; done < kRequests;) {
    Request request;
    if (completions.room() == 0 || !requests.pop(request)) {
      std::this_thread::yield();
      continue;
    }
    ++done;
    const SaSpec& spec = shared.specs[request.index % kSpecs];
    const bool is_whole = request.sequence == done && spec.generation == request.generation &&
                          spec.sequence == done && spec.spi == static_cast<std::uint32_t>(~done);
    ASSERT_TRUE(completions.push(
        {.sequence = done, .refusal = is_whole ? Refusal::none : Refusal::bad_generation}));
  }
  EXPECT_EQ(requests.skips(), 0u);
}

// Control writes a spec, asks for it, and writes there again only when the request about it was
// answered.
TEST(RingThreads, CarryEveryRequestAndAnswerOnceInOrderWithWhatWasWrittenBefore) {
  const auto shared = std::make_unique<Shared>();
  std::thread dataplane(answer_all, std::ref(*shared));
  RingWriter<Request> requests(shared->requests, shared->requests_produced,
                               shared->requests_consumed);
  RingReader<Completion> completions(shared->completions, shared->completions_produced,
                                     shared->completions_consumed);
  std::uint64_t asked = 0;
  std::uint64_t answered = 0;
  std::uint64_t refused = 0;
  while (answered < kRequests) {
    while (asked < kRequests && asked - answered < kSpecs) {
      ++asked;
      const auto index = static_cast<std::uint32_t>(asked % kSpecs);
      const auto generation = static_cast<std::uint32_t>(asked / kSpecs);
      shared->specs[index] = {
          .generation = generation, .spi = static_cast<std::uint32_t>(~asked), .sequence = asked};
      ASSERT_TRUE(requests.push({.sequence = asked,
                                 .op = RequestOp::sa_update,
                                 .index = index,
                                 .generation = generation}));
    }
    Completion completion;
    if (!completions.pop(completion)) {
      std::this_thread::yield();
      continue;
    }
    ++answered;
    refused += completion.sequence == answered && completion.refusal == Refusal::none ? 0 : 1;
  }
  dataplane.join();
  EXPECT_EQ(refused, 0u);
  EXPECT_EQ(completions.skips(), 0u);
}

// The writer fills the ring as fast as it can; nothing is overwritten before it was read.
TEST(RingThreads, NeverOverwriteWhatWasNotReadYet) {
  std::array<Event, kSlots> slots{};
  std::atomic<std::uint64_t> produced{0};
  std::atomic<std::uint64_t> consumed{0};
  std::thread writer([&] {
    RingWriter<Event> events(slots, produced, consumed);
    for (std::uint64_t number = 1; number <= kRequests;) {
      const Event event{.value = static_cast<std::uint32_t>(number), .sequence = number};
      events.push(event) ? static_cast<void>(++number) : std::this_thread::yield();
    }
  });
  RingReader<Event> events(slots, produced, consumed);
  std::uint64_t wrong = 0;
  for (std::uint64_t number = 1; number <= kRequests;) {
    Event event;
    if (!events.pop(event)) {
      std::this_thread::yield();
      continue;
    }
    wrong += event.sequence == number && event.value == static_cast<std::uint32_t>(number) ? 0 : 1;
    ++number;
  }
  writer.join();
  EXPECT_EQ(wrong, 0u);
}

}  // namespace
}  // namespace culvert
