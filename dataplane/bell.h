// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <poll.h>
#include <rte_atomic.h>

#include <atomic>
#include <ctime>
#include <span>

namespace culvert {

// Wakes one thread, its owner, which sleeps in ppoll() when there is nothing to do. Others ring
// after they have put something into a ring that the owner empties:
//
//   the owner                                   another thread
//   1. is_asleep_ = true                        a. puts it into the ring
//   2. full fence                               b. full fence
//   3. looks at its rings once more             c. takes is_asleep_, if it is true, and writes to
//   4. only if all are empty: ppoll()              the eventfd
//
// No wake-up is lost: of the two fences one is first. Is it 2, then c sees what 1 stored; is it b,
// then 3 sees what a put. What is readable before ppoll() ends it at once, as descriptors are
// level-triggered. A wake-up too many is possible, and does no harm.
//
// Nobody makes a system call for an owner that is awake, and of all who ring while it sleeps only
// the first does.
class alignas(64) Bell {
 public:
  Bell() = default;
  Bell(const Bell&) = delete;
  Bell& operator=(const Bell&) = delete;
  ~Bell();

  // False: the system grants no eventfd. Before this the owner must not sleep.
  [[nodiscard]] bool open();

  // The owner's: sleeps until the bell rings, one of `waits` is ready or `longest` (null: for ever)
  // is over; not at all when has_work(), which looks at the rings. The first of `waits` is
  // the bell's own place. True: it slept, and `waits` says what is ready.
  template <typename HasWork>
  bool sleep(std::span<pollfd> waits, const timespec* longest, HasWork has_work) {
    // Relaxed, here and below: the fences order it against the rings.
    is_asleep_.store(true, std::memory_order_relaxed);
    full_fence();
    const bool may_sleep = !has_work();
    if (may_sleep) wait(waits, longest);
    is_asleep_.store(false, std::memory_order_relaxed);
    return may_sleep;
  }

  // Others', after they put something into one of the owner's rings.
  void ring_if_asleep() {
    full_fence();
    if (is_asleep_.load(std::memory_order_relaxed) &&
        is_asleep_.exchange(false, std::memory_order_relaxed)) {
      ring();
    }
  }

  // Ends the sleep that is, or the next one.
  void ring() const;

 private:
  // DPDK's, because ThreadSanitizer knows no std::atomic_thread_fence and g++ refuses it there.
  static void full_fence() { rte_smp_mb(); }

  void wait(std::span<pollfd> waits, const timespec* longest) const;

  std::atomic<bool> is_asleep_{false};
  int descriptor_ = -1;  // eventfd
};

}  // namespace culvert
