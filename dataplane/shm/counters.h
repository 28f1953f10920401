// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>

#include "dataplane/shm/drop.h"

// What the dataplane counts, in the `state` region: it writes, control reads.

namespace culvert {

inline constexpr std::size_t kMaxWorkers = 64;
inline constexpr std::size_t kMaxPorts = 32;

// A counter with one writing thread and any number of readers. All accesses are relaxed: a reader
// may see counters of one row at slightly different moments, never a torn one.
class Counter {
 public:
  void add(std::uint64_t count) {
    value_.store(value_.load(std::memory_order_relaxed) + count, std::memory_order_relaxed);
  }
  [[nodiscard]] std::uint64_t get() const { return value_.load(std::memory_order_relaxed); }

 private:
  std::atomic<std::uint64_t> value_{0};
};

// How many workers there are to add to a shared counter.
enum class Writers : std::uint8_t { one, several };

// A counter that several workers add to, once per SA and burst.
class SharedCounter {
 public:
  void add(std::uint64_t count) { value_.fetch_add(count, std::memory_order_relaxed); }
  // The same where there may be only one worker: it needs no locked instruction, each of which
  // waits for all stores before it.
  void add(std::uint64_t count, Writers writers) {
    if (writers == Writers::several) return add(count);
    value_.store(value_.load(std::memory_order_relaxed) + count, std::memory_order_relaxed);
  }
  void set(std::uint64_t value) { value_.store(value, std::memory_order_relaxed); }
  [[nodiscard]] std::uint64_t get() const { return value_.load(std::memory_order_relaxed); }

 private:
  std::atomic<std::uint64_t> value_{0};
};

// The same for what is rare, in 32 bits: it comes round.
class SharedCounter32 {
 public:
  void add(std::uint32_t count) { value_.fetch_add(count, std::memory_order_relaxed); }
  void set(std::uint32_t value) { value_.store(value, std::memory_order_relaxed); }
  [[nodiscard]] std::uint32_t get() const { return value_.load(std::memory_order_relaxed); }

 private:
  std::atomic<std::uint32_t> value_{0};
};

// One row per worker, and one for the housekeeper, which drops packets too. Over all rows:
//   received + from_linux + originated + split = sent + punted + drops + merged + held
// where held is the sum of held_in - held_out.
struct alignas(64) WorkerCounters {
  Counter received;        // frames taken from receive queues
  Counter from_linux;      // frames taken from mirrors
  Counter originated;      // ICMP errors made here
  Counter split;           // additional packets made by fragmenting
  Counter sent;            // frames given to transmit queues
  Counter punted;          // frames given to mirrors
  Counter merged;          // fragments that went up in a reassembled packet
  Counter held_in;         // packets that began to wait, for a neighbour or for fragments
  Counter held_out;        // packets that waited and went on or were dropped
  Counter split_before;    // packets split before they were sealed
  Counter split_after;     // packets sealed and split then
  Counter split_in_clear;  // packets split that left in clear
  Counter reassembled;     // packets made of fragments
  Counter too_big_sent;    // ICMP errors that tell an MTU
  Counter icmp_withheld;   // ICMP errors beyond the limit, or without a buffer
  Counter rounds;          // worker loops, for `show workers`
  Counter busy_rounds;     // of them, with at least one packet
  Counter sleeps;          // times the worker slept
  std::array<Counter, kDropReasons> drops;
};

struct alignas(64) PortCounters {
  Counter rx_packets;
  Counter rx_bytes;  // frames without FCS
  Counter tx_packets;
  Counter tx_bytes;
  Counter rx_no_mbuf;  // by the driver: no buffer was free; not part of the balance
  Counter rx_missed;   // by the driver: the queue was full
};

}  // namespace culvert
