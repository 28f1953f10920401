// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>

#include "dataplane/fib.h"
#include "dataplane/lanes.h"
#include "dataplane/sa_groups.h"
#include "dataplane/sad.h"
#include "dataplane/shm/drop.h"
#include "dataplane/shm/ring.h"
#include "dataplane/shm/trace.h"
#include "dataplane/spd.h"
#include "dataplane/trace_match.h"

namespace culvert {

// The trace that is on, for all workers; the housekeeper switches.
class TraceSwitch {
 public:
  // Workers, once a round; nullptr: nothing is traced. Valid until the next quiescent state.
  [[nodiscard]] const TraceFilter* filter() const {
    // Acquire: pairs with the release in turn_on().
    return active_.load(std::memory_order_acquire);
  }

  // Housekeeper. Between them no worker may still use the filter of before.
  void turn_off() { active_.store(nullptr, std::memory_order_relaxed); }
  void turn_on(const TraceFilter& filter) {
    filter_ = filter;
    active_.store(&filter_, std::memory_order_release);
  }

 private:
  std::atomic<const TraceFilter*> active_{nullptr};
  TraceFilter filter_;
};

// Records on their way from a worker to the housekeeper. One producer, one consumer.
class TraceRecords {
 public:
  TraceRecords() = default;
  TraceRecords(const TraceRecords&) = delete;
  TraceRecords& operator=(const TraceRecords&) = delete;

  // Worker. Where there is no room the record is lost, and counted: traces never wait.
  void post(const TraceRecord& record) {
    if (!writer_.push(record)) lost_.fetch_add(1, std::memory_order_relaxed);
  }
  // Housekeeper. False when there is none.
  [[nodiscard]] bool take(TraceRecord& record) { return reader_.pop(record); }
  // Since the last call.
  [[nodiscard]] std::uint64_t take_lost() {
    return lost_.load(std::memory_order_relaxed) == 0
               ? 0
               : lost_.exchange(0, std::memory_order_relaxed);
  }

 private:
  std::array<TraceRecord, 256> slots_{};
  alignas(64) std::atomic<std::uint64_t> produced_{0};
  alignas(64) std::atomic<std::uint64_t> consumed_{0};
  std::atomic<std::uint64_t> lost_{0};
  alignas(64) RingWriter<TraceRecord> writer_{slots_, produced_, consumed_};
  alignas(64) RingReader<TraceRecord> reader_{slots_, produced_, consumed_};
};

// Follows packets through one worker's round, from lane to lane, while a trace is on; else each of
// these is one branch. A packet that the filter wants is marked, and every later step of it is
// recorded. Inbound ESP is only known for what it is once it is opened: its wire side is kept until
// then. Limit: what esp_inbound drops is followed only if its outside matches.
class Tracer {
 public:
  struct Context {
    const TraceSwitch& traces;
    TraceRecords& records;
    const Sad& sad;
    const Spd& spd;
    const Fib& fib;
    std::uint8_t worker = 0;
  };
  explicit Tracer(const Context& context);

  void begin_round() { filter_ = context_.traces.filter(); }
  [[nodiscard]] bool is_on() const { return filter_ != nullptr; }

  // Frames as they arrived.
  void received(std::span<const Packet> frames) {
    if (filter_ != nullptr) [[unlikely]]
      trace_received(frames);
  }
  // Opened, and for us again.
  void again(Lane<Packet>& lane) {
    if (filter_ != nullptr) [[unlikely]]
      trace_opened(lane);
  }
  // What meets inbound policies next.
  void inner(Lane<Packet>& lane) {
    if (filter_ != nullptr) [[unlikely]]
      trace_inner(lane);
  }
  // What meets outbound policies next.
  void clear(Lane<ClearPacket>& lane) {
    if (filter_ != nullptr) [[unlikely]]
      trace_clear(lane);
  }
  // What leaves the worker.
  void leaving(Lanes& lanes) {
    if (filter_ != nullptr) [[unlikely]]
      trace_leaving(lanes);
  }
  // Of a packet that is marked.
  void dropped(Packet packet, DropReason reason, SaIndex sa);

 private:
  // The outside of a packet that may be ESP, as it came.
  struct Outside {
    const rte_mbuf* mbuf = nullptr;
    TraceRecord record;
  };

  void trace_received(std::span<const Packet> frames);
  void trace_opened(Lane<Packet>& lane);
  void trace_inner(Lane<Packet>& lane);
  void trace_clear(Lane<ClearPacket>& lane);
  void trace_leaving(Lanes& lanes);
  void trace_wire(const WirePacket& packet);
  [[nodiscard]] bool mark(Packet packet);
  [[nodiscard]] const Outside* outside_of(Packet packet) const;
  void note_policy(Packet packet, TraceStage stage, const PolicyEntry* policy);
  [[nodiscard]] TraceRecord& begin(Packet packet, TraceStage stage);
  void describe(const TracedHeader& header, std::span<const std::byte> packet, TraceSide side);

  Context context_;
  const TraceFilter* filter_ = nullptr;
  std::uint32_t generation_ = 0;              // of the trace whose packets are counted
  std::uint32_t marked_ = 0;                  // packets of this trace
  std::array<std::uint32_t, 256> numbers_{};  // by mark, which comes round
  std::unique_ptr<std::array<Outside, kBurst>> outsides_;
  std::size_t outside_count_ = 0;
  TraceRecord record_;  // in the making
};

}  // namespace culvert
