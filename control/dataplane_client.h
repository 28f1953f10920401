// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <array>
#include <chrono>
#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "control/request_channel.h"
#include "control/result.h"
#include "dataplane/shm/regions.h"
#include "dataplane/shm/ring.h"

namespace culvert {

// A copy of what the dataplane says of itself, bounded to what can be true.
struct DataplaneView {
  std::uint32_t incarnation = 0;  // counts its starts; 0: never started
  DataplanePhase phase = DataplanePhase::absent;
  std::uint32_t pid = 0;
  std::uint32_t worker_count = 0;
  std::uint32_t port_count = 0;
  bool uses_huge_pages = false;
  std::uint64_t started_at_ns = 0;  // CLOCK_REALTIME
  std::uint64_t heartbeat = 0;
  std::string version;
  std::string code_path;
  std::array<PortStatus, kMaxPorts> ports{};  // texts in it may lack their zero: see text_of
};

// The characters before the zero, or all of them when there is none.
[[nodiscard]] std::string text_of(const std::array<char, 32>& text);

// Control's end of the rings. One thread. Nothing that comes out of shared memory is used before it
// was copied and checked.
class DataplaneClient final : public RequestChannel {
 public:
  static constexpr std::chrono::milliseconds kDefaultTimeout{3000};

  // Takes over where an earlier control process stopped: answers to its requests are passed over.
  // The descriptors stay the caller's. `regions` must be attached and outlive this.
  DataplaneClient(Regions& regions, const Descriptors& descriptors,
                  std::chrono::milliseconds timeout = kDefaultTimeout);

  [[nodiscard]] Result<std::uint64_t> push(const Request& request) override;
  [[nodiscard]] Result<std::vector<Refused>> finish(std::uint64_t since) override;
  void kick() override;
  [[nodiscard]] bool is_answered(std::uint64_t sequence) const override;

  // Waits until the dataplane takes requests. ETIMEDOUT otherwise.
  [[nodiscard]] Result<void> wait_until_started(std::chrono::milliseconds timeout);

  // Readable when there are completions or events: to be watched by the event loop, which calls
  // on_readable() then. on_readable() calls the two callbacks.
  [[nodiscard]] int descriptor() const { return state_bell_; }
  void on_readable();
  // For a timer too, every second or so: a dataplane that starts anew rings no bell before it was
  // asked something.
  void check_incarnation();

  void set_event_callback(std::function<void(const Event&)> callback) {
    event_callback_ = std::move(callback);
  }
  // Called when a dataplane started that knows nothing: push default policy, SAs and policies
  // (SaManager::push_everything), addresses, routes, neighbours, and `commit` last.
  void set_new_incarnation_callback(std::function<void()> callback) {
    new_incarnation_callback_ = std::move(callback);
  }

  [[nodiscard]] DataplaneView view() const;

 private:
  enum class Wait : std::uint8_t { answered, timed_out, restarted };
  [[nodiscard]] bool has_new_incarnation() const;
  void drain_completions();
  void drain_events();
  [[nodiscard]] Wait wait_for(std::uint64_t sequence);
  void log_refusal(const Refused& refused) const;

  Regions& regions_;
  int request_bell_;
  int state_bell_;
  std::chrono::milliseconds timeout_;
  RingWriter<Request> requests_;
  RingReader<Completion> completions_;
  RingReader<Event> events_;
  std::uint64_t answered_;  // highest sequence number answered
  bool bell_pending_ = false;
  std::uint32_t incarnation_;
  std::vector<Refused> refused_;  // not yet asked for by finish()
  std::function<void(const Event&)> event_callback_;
  std::function<void()> new_incarnation_callback_;
};

}  // namespace culvert
