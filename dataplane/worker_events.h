// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <array>
#include <atomic>
#include <cstdint>

#include "dataplane/shm/messages.h"
#include "dataplane/shm/ring.h"

namespace culvert {

// What a worker has to tell control, by way of the housekeeper, which looks at least every 50 ms.
// One producer, one consumer.
class WorkerEvents {
 public:
  WorkerEvents() = default;
  WorkerEvents(const WorkerEvents&) = delete;
  WorkerEvents& operator=(const WorkerEvents&) = delete;

  // Worker. Lost where the ring is full: what events report of an SA stands in its SaState too.
  void post(const Event& event) { static_cast<void>(!writer_.push(event)); }

  // Housekeeper. False when there is none.
  [[nodiscard]] bool take(Event& event) { return reader_.pop(event); }

 private:
  std::array<Event, 256> slots_{};
  alignas(64) std::atomic<std::uint64_t> produced_{0};
  alignas(64) std::atomic<std::uint64_t> consumed_{0};
  alignas(64) RingWriter<Event> writer_{slots_, produced_, consumed_};
  alignas(64) RingReader<Event> reader_{slots_, produced_, consumed_};
};

}  // namespace culvert
