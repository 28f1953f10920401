// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <rte_mbuf.h>

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>

#include "dataplane/packet.h"
#include "dataplane/rate_limit.h"
#include "dataplane/sa.h"
#include "dataplane/shm/layout.h"
#include "dataplane/worker_events.h"

namespace culvert {

class Tracer;

// Where packets end that go nowhere. Every drop is counted by name, and for the SA where one is
// known; those that RFC 4303 and RFC 4301 call auditable are reported, at most so many a second;
// buffers go back in bulk at the end of the round. One per thread. The drops of single packets are
// never inlined: they are rare, and stages have many places for them.
class DropSink {
 public:
  DropSink(WorkerCounters& counters, WorkerEvents& events)
      : counters_(&counters), events_(&events) {}

  // Tells the tracer of marked packets that end here.
  void follow(Tracer& tracer) { tracer_ = &tracer; }

  [[gnu::noinline, gnu::cold]] void drop(Packet packet, DropReason reason);
  [[gnu::noinline, gnu::cold]] void drop(Packet packet, DropReason reason, const Sa& sa);
  // The SA is known by its record alone: it may have been removed.
  [[gnu::noinline, gnu::cold]] void drop(Packet packet, DropReason reason, SaIndex index,
                                         SaState& state);
  void drop_all(std::span<rte_mbuf*> mbufs, DropReason reason) {
    if (tracer_ != nullptr) trace_all(mbufs, reason);
    counters_->drops[index_of(reason)].add(mbufs.size());
    rte_pktmbuf_free_bulk(mbufs.data(), static_cast<unsigned>(mbufs.size()));
  }

  void flush() {
    if (count_ != 0) rte_pktmbuf_free_bulk(mbufs_.data(), static_cast<unsigned>(count_));
    count_ = 0;
  }

  [[nodiscard]] WorkerCounters& counters() { return *counters_; }

 private:
  static constexpr std::size_t kMaxPackets = 128;  // that wait to be freed

  // Reports of one reason.
  struct Audited {
    RateLimit<10, 20> limit;
    std::uint16_t kept_back = 0;  // since the last one reported; stays at its largest value
  };

  void trace(Packet packet, DropReason reason, SaIndex index);
  void trace_all(std::span<rte_mbuf*> mbufs, DropReason reason);
  void audit(Packet packet, DropReason reason, SaIndex index, std::uint32_t spi);
  void release(Packet packet) {
    if (count_ == mbufs_.size()) flush();
    mbufs_[count_++] = packet.mbuf();
  }

  WorkerCounters* counters_;
  WorkerEvents* events_;
  Tracer* tracer_ = nullptr;
  std::array<rte_mbuf*, kMaxPackets> mbufs_;
  std::size_t count_ = 0;
  std::array<Audited, kDropReasons> audited_{};
};

}  // namespace culvert
