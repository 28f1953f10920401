// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <chrono>
#include <cstdint>
#include <deque>
#include <functional>

#include "control/api/protocol.h"
#include "control/config.h"
#include "control/request_channel.h"
#include "control/result.h"
#include "control/sa_manager.h"
#include "dataplane/shm/regions.h"
#include "dataplane/shm/ring.h"
#include "dataplane/shm/trace.h"

namespace culvert {

// The filter of a request {"src":"10.1.0.0/24","dst":...,"protocol":"icmp","sport":N,"dport":N,
// "spi":N,"count":N,"both":true,"bytes":true}; all but count may be missing. EINVAL says what is
// wrong.
[[nodiscard]] Result<TraceFilter> trace_filter(const Json& request);

// `culvert trace`: one at a time. The client starts it, reads what there is every now and then, and
// ends it; if it does not read any more it is ended for it. One thread, control's.
class TraceSession {
 public:
  using Clock = std::chrono::steady_clock;

  TraceSession(Regions& regions, RequestChannel& channel, const SaManager& manager,
               const Config& config);

  // {"do":"start", filter...} -> {"trace":ID}; {"do":"read","trace":ID} -> {"records":[...],
  // "lost":N,"is_on":true}; {"do":"stop","trace":ID}.
  // EBUSY: another one is on. ENOENT: this one is not, or no more.
  [[nodiscard]] Result<Json> answer(const Json& request);

  // Every 100 ms: takes in what the dataplane says, and ends what nobody reads.
  void poll() { poll(Clock::now()); }
  void poll(Clock::time_point now);

  // For a dataplane that started anew, or a control that did: nothing is traced.
  [[nodiscard]] Result<void> turn_off();

 private:
  [[nodiscard]] Result<Json> start(const Json& request);
  [[nodiscard]] Result<Json> read();
  [[nodiscard]] Result<void> push(const TraceFilter& filter);
  void take_in();
  [[nodiscard]] Json json_of(const TraceRecord& record) const;
  void add_sa(std::uint32_t index, Json& json) const;

  Regions& regions_;
  RequestChannel& channel_;
  const SaManager& manager_;
  const Config& config_;
  RingReader<TraceRecord> ring_;
  std::deque<Json> records_;
  std::uint32_t trace_ = 0;  // 0: none is on
  std::uint32_t last_trace_ = 0;
  std::uint64_t lost_ = 0;         // here
  std::uint64_t lost_before_ = 0;  // in the dataplane, when the trace started
  Clock::time_point read_at_;
};

}  // namespace culvert
