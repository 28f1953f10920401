// SPDX-License-Identifier: BSD-3-Clause
#include "control/dataplane_client.h"

#include <poll.h>
#include <spdlog/spdlog.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <thread>
#include <utility>

namespace culvert {
namespace {

using Clock = std::chrono::steady_clock;

// Refusals nobody has asked for yet; what is beyond is logged at once.
constexpr std::size_t kMaxKeptRefusals = kRingSlots;

void ring(int bell) {
  const std::uint64_t one = 1;
  // The only error is EAGAIN: the counter is full, so the bell is ringing already.
  [[maybe_unused]] const ssize_t written = write(bell, &one, sizeof one);
}

void silence(int bell) {
  std::uint64_t count = 0;
  [[maybe_unused]] const ssize_t bytes = read(bell, &count, sizeof count);
}

bool takes_requests(DataplanePhase phase) {
  return phase == DataplanePhase::silent || phase == DataplanePhase::forwarding ||
         phase == DataplanePhase::replay_done;
}

// The sequence number that the completion read last had.
std::uint64_t last_answer(const Regions& regions) {
  const std::uint64_t consumed =
      regions.requests().completions_consumed.load(std::memory_order_relaxed);
  if (consumed == 0) return 0;
  const Completion last = regions.state().completions[(consumed - 1) & (kRingSlots - 1)];
  return std::min(last.sequence,
                  regions.requests().requests_produced.load(std::memory_order_relaxed));
}

Error no_answer(std::chrono::milliseconds waited) {
  return {ETIMEDOUT, "the dataplane does not answer: waited " + std::to_string(waited.count()) +
                         " ms; is culvertd running?"};
}

}  // namespace

Error refusal_error(Refusal refusal) {
  const auto index = static_cast<std::size_t>(refusal);
  const std::string text = index < kRefusalText.size()
                               ? std::string(kRefusalText[index])
                               : "reason " + std::to_string(index) + ", which is not known";
  const std::string message = "the dataplane refused: " + text;
  switch (refusal) {
    case Refusal::bad_family:
      return {EAFNOSUPPORT, message};
    case Refusal::bad_transform:
      return {ENOSYS, message};
    case Refusal::bad_spi:
    case Refusal::bad_key:
    case Refusal::bad_window:
    case Refusal::bad_prefix:
    case Refusal::bad_selector:
    case Refusal::bad_enum:
    case Refusal::bad_tfc:
    case Refusal::bad_range:
    case Refusal::too_many_hops:
    case Refusal::bad_weight:
      return {EINVAL, message};
    case Refusal::bad_port:
      return {ENODEV, message};
    case Refusal::duplicate_sa:
    case Refusal::duplicate_hop:
      return {EEXIST, message};
    case Refusal::no_window_memory:
    case Refusal::no_table_memory:
    case Refusal::too_many_masks:
    case Refusal::too_many_ranges:
      return {ENOBUFS, message};
    case Refusal::none:
    case Refusal::unknown_op:
    case Refusal::bad_index:
    case Refusal::bad_generation:
    case Refusal::slot_in_use:
    case Refusal::slot_empty:
    case Refusal::bad_sa_set:
    case Refusal::bad_hop_place:
      break;
  }
  return {EPROTO, message};
}

std::string text_of(const std::array<char, 32>& text) {
  return {text.begin(), std::find(text.begin(), text.end(), '\0')};
}

DataplaneClient::DataplaneClient(Regions& regions, const Descriptors& descriptors,
                                 std::chrono::milliseconds timeout)
    : regions_(regions),
      request_bell_(descriptor_of(descriptors, Descriptor::request_bell)),
      state_bell_(descriptor_of(descriptors, Descriptor::state_bell)),
      timeout_(timeout),
      requests_(regions.requests().requests, regions.requests().requests_produced,
                regions.state().requests_consumed),
      completions_(regions.state().completions, regions.state().completions_produced,
                   regions.requests().completions_consumed),
      events_(regions.state().events, regions.state().events_produced,
              regions.requests().events_consumed),
      answered_(last_answer(regions)),
      incarnation_(regions.state().status.incarnation.load(std::memory_order_acquire)) {}

// A request's sequence number is its place in the ring, counted from 1 over the regions' whole
// life, so that a restarted control goes on where the old one stopped.
Result<std::uint64_t> DataplaneClient::push(const Request& request) {
  const std::uint64_t sequence = requests_.produced() + 1;
  // No more under way than there is room for answers, so neither side ever waits for the other.
  if (requests_.room() == 0 || sequence - answered_ > kRingSlots) drain_completions();
  const std::uint64_t oldest_answer_needed = sequence > kRingSlots ? sequence - kRingSlots : 0;
  if (answered_ < oldest_answer_needed && wait_for(oldest_answer_needed) != Wait::answered) {
    return no_answer(timeout_);
  }
  const auto deadline = Clock::now() + timeout_;
  while (requests_.room() == 0) {
    bell_pending_ = true;
    kick();
    if (Clock::now() >= deadline) return no_answer(timeout_);
    std::this_thread::sleep_for(std::chrono::microseconds(50));
  }
  Request numbered = request;
  numbered.sequence = sequence;
  if (!requests_.push(numbered)) return no_answer(timeout_);
  // Half a ring is worth a start; else the bell rings once for all.
  bell_pending_ = true;
  if (sequence % (kRingSlots / 2) == 0) kick();
  return sequence;
}

Result<std::vector<Refused>> DataplaneClient::finish(std::uint64_t since) {
  const Wait outcome =
      since > requests_.produced() ? Wait::answered : wait_for(requests_.produced());
  std::vector<Refused> result;
  for (const Refused& refused : refused_) {
    if (refused.sequence >= since) {
      result.push_back(refused);
    } else {
      log_refusal(refused);
    }
  }
  refused_.clear();
  if (outcome == Wait::timed_out) return no_answer(timeout_);
  if (outcome == Wait::restarted) return Error{EAGAIN, "the dataplane started anew meanwhile"};
  return result;
}

bool DataplaneClient::is_answered(std::uint64_t sequence) const {
  return sequence <= answered_;
}

Result<void> DataplaneClient::wait_until_started(std::chrono::milliseconds timeout) {
  const auto deadline = Clock::now() + timeout;
  const DataplaneStatus& status = regions_.state().status;
  while (!takes_requests(status.phase.load(std::memory_order_acquire))) {
    if (Clock::now() >= deadline) return no_answer(timeout);
    std::this_thread::sleep_for(std::chrono::milliseconds(1));
  }
  incarnation_ = status.incarnation.load(std::memory_order_acquire);
  return {};
}

void DataplaneClient::on_readable() {
  silence(state_bell_);
  drain_completions();
  for (const Refused& refused : refused_) log_refusal(refused);
  refused_.clear();
  check_incarnation();
  drain_events();
}

bool DataplaneClient::has_new_incarnation() const {
  const DataplaneStatus& status = regions_.state().status;
  return status.incarnation.load(std::memory_order_acquire) != incarnation_ &&
         takes_requests(status.phase.load(std::memory_order_acquire));
}

void DataplaneClient::check_incarnation() {
  if (!has_new_incarnation()) {
    kick();
    return;
  }
  incarnation_ = regions_.state().status.incarnation.load(std::memory_order_acquire);
  // What was under way is void: the new one passed it over.
  answered_ = std::max(
      answered_, std::min(requests_.produced(),
                          regions_.state().requests_consumed.load(std::memory_order_acquire)));
  spdlog::info("dataplane started anew (start number {}): pushing everything again", incarnation_);
  if (new_incarnation_callback_) new_incarnation_callback_();
}

DataplaneView DataplaneClient::view() const {
  const DataplaneStatus& status = regions_.state().status;
  DataplaneView view;
  view.incarnation = status.incarnation.load(std::memory_order_acquire);
  const DataplanePhase phase = status.phase.load(std::memory_order_acquire);
  view.phase = phase <= DataplanePhase::replay_done ? phase : DataplanePhase::absent;
  view.pid = status.pid;
  view.worker_count = std::min<std::uint32_t>(status.worker_count, kMaxWorkers);
  view.port_count = std::min<std::uint32_t>(status.port_count, kMaxPorts);
  view.uses_huge_pages = status.uses_huge_pages != 0;
  view.started_at_ns = status.started_at_ns;
  view.heartbeat = status.heartbeat.load(std::memory_order_relaxed);
  view.version = text_of(status.version);
  view.code_path = text_of(status.code_path);
  view.ports = status.ports;
  return view;
}

void DataplaneClient::kick() {
  if (bell_pending_) ring(request_bell_);
  bell_pending_ = false;
  drain_completions();
}

void DataplaneClient::drain_completions() {
  Completion completion;
  while (completions_.pop(completion)) {
    const std::uint64_t sequence = completion.sequence;
    // Answers come in the requests' order. One that was lost in a crash counts as answered when a
    // later one comes; one that nobody can have asked for is not looked at.
    if (sequence <= answered_ || sequence > requests_.produced()) continue;
    answered_ = sequence;
    if (completion.refusal == Refusal::none) continue;
    const Refused refused{sequence, completion.refusal};
    if (refused_.size() < kMaxKeptRefusals) {
      refused_.push_back(refused);
    } else {
      log_refusal(refused);
    }
  }
}

void DataplaneClient::drain_events() {
  Event event;
  // Bounded, so that a dataplane gone mad cannot keep control from its other work.
  for (std::size_t i = 0; i < kRingSlots && events_.pop(event); ++i) {
    if (event_callback_) event_callback_(event);
  }
  if (!events_.empty()) ring(state_bell_);
}

DataplaneClient::Wait DataplaneClient::wait_for(std::uint64_t sequence) {
  const auto deadline = Clock::now() + timeout_;
  drain_completions();
  if (answered_ >= sequence) return Wait::answered;
  bell_pending_ = true;
  kick();
  bool heard_bell = false;
  while (answered_ < sequence) {
    const auto left =
        std::chrono::duration_cast<std::chrono::milliseconds>(deadline - Clock::now()).count();
    if (left <= 0) break;
    pollfd bell{.fd = state_bell_, .events = POLLIN, .revents = 0};
    // Not longer than this at a time, should a bell get lost with a dataplane that died.
    constexpr std::int64_t kLongestNapMs = 100;
    if (poll(&bell, 1, static_cast<int>(std::min<std::int64_t>(left, kLongestNapMs))) > 0) {
      silence(state_bell_);
      heard_bell = true;
    }
    drain_completions();
    if (answered_ < sequence && has_new_incarnation()) break;
  }
  // The bell was for events too, perhaps: the event loop shall still hear it.
  if (heard_bell && !events_.empty()) ring(state_bell_);
  if (answered_ >= sequence) return Wait::answered;
  return has_new_incarnation() ? Wait::restarted : Wait::timed_out;
}

void DataplaneClient::log_refusal(const Refused& refused) const {
  const bool is_still_there = requests_.produced() - refused.sequence < kRingSlots;
  const Request& slot = regions_.requests().requests[(refused.sequence - 1) & (kRingSlots - 1)];
  spdlog::warn("request {} (operation {}): {}", refused.sequence,
               is_still_there ? static_cast<int>(slot.op) : -1,
               refusal_error(refused.refusal).message);
}

}  // namespace culvert
