// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <poll.h>
#include <unistd.h>

#include <atomic>
#include <functional>
#include <map>
#include <mutex>
#include <stdexcept>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "dataplane/shm/regions.h"
#include "dataplane/shm/ring.h"

namespace culvert {

// The dataplane's side of real shared-memory regions, on a thread of its own: installs what it is
// asked to and answers, as culvertd does, but carries no packets.
class FakeDataplane {
 public:
  explicit FakeDataplane(const RegionSizes& sizes = {
                             .max_sas = 64, .max_policies = 64, .window_slots = 4096}) {
    expect_none(create_regions(sizes, StartConfig{}, descriptors_));
    expect_none(regions_.attach(descriptors_, Side::dataplane));
    start();
  }
  ~FakeDataplane() {
    stop();
    for (const int descriptor : descriptors_) {
      if (descriptor >= 0) close(descriptor);
    }
  }
  FakeDataplane(const FakeDataplane&) = delete;
  FakeDataplane& operator=(const FakeDataplane&) = delete;

  // Starts, as a process that knows nothing yet: requests from before are void.
  void start() {
    installed_sas_.clear();
    policies_.clear();
    StateHead& state = regions_.state();
    state.requests_consumed.store(regions_.requests().requests_produced.load());
    state.status.incarnation.fetch_add(1);
    state.status.phase.store(DataplanePhase::silent);
    is_running_.store(true);
    thread_ = std::thread([this] { run(); });
  }
  // Dies. What it wrote to shared memory stays.
  void stop() {
    is_running_.store(false);
    if (thread_.joinable()) thread_.join();
    regions_.state().status.phase.store(DataplanePhase::absent);
  }

  [[nodiscard]] const Descriptors& descriptors() const { return descriptors_; }
  [[nodiscard]] Regions& regions() { return regions_; }

  // Requests from now on that `refuse` has a reason against are refused.
  void set_refuse(std::function<Refusal(const Request&)> refuse) {
    const std::lock_guard lock(mutex_);
    refuse_ = std::move(refuse);
  }
  // What was asked since the last call, refused requests included.
  [[nodiscard]] std::vector<Request> take_requests() {
    const std::lock_guard lock(mutex_);
    return std::exchange(log_, {});
  }
  [[nodiscard]] std::map<std::uint32_t, SaSpec> installed_sas() {
    const std::lock_guard lock(mutex_);
    return installed_sas_;
  }
  [[nodiscard]] std::map<std::uint32_t, PolicySpec> policies() {
    const std::lock_guard lock(mutex_);
    return policies_;
  }
  [[nodiscard]] PolicyAction default_action() {
    const std::lock_guard lock(mutex_);
    return default_action_;
  }
  // As if packets up to this number had been sealed, or had come.
  void use_sequence(std::uint32_t slot, std::uint64_t sequence) {
    regions_.sa_states()[slot].sequence.store(sequence);
  }
  void push_event(const Event& event) {
    RingWriter<Event> events(regions_.state().events, regions_.state().events_produced,
                             regions_.requests().events_consumed);
    if (!events.push(event)) throw std::runtime_error("event ring full");
    ring_state_bell();
  }

 private:
  static void expect_none(const std::string& error) {
    if (!error.empty()) throw std::runtime_error(error);
  }
  void ring_state_bell() {
    const std::uint64_t one = 1;
    if (write(descriptor_of(descriptors_, Descriptor::state_bell), &one, sizeof one) < 0) return;
  }

  void run() {
    StateHead& state = regions_.state();
    RingReader<Request> requests(regions_.requests().requests,
                                 regions_.requests().requests_produced, state.requests_consumed);
    RingWriter<Completion> completions(state.completions, state.completions_produced,
                                       regions_.requests().completions_consumed);
    const int bell = descriptor_of(descriptors_, Descriptor::request_bell);
    while (is_running_.load()) {
      Request request;
      bool has_answered = false;
      while (completions.room() > 0 && requests.pop(request)) {
        has_answered = completions.push({request.sequence, carry_out(request), {}});
      }
      if (has_answered) ring_state_bell();
      pollfd wait{.fd = bell, .events = POLLIN, .revents = 0};
      if (poll(&wait, 1, 5) > 0) {
        std::uint64_t count = 0;
        if (read(bell, &count, sizeof count) < 0) continue;
      }
    }
  }

  Refusal carry_out(const Request& request) {
    const std::lock_guard lock(mutex_);
    log_.push_back(request);
    if (refuse_) {
      if (const Refusal refusal = refuse_(request); refusal != Refusal::none) return refusal;
    }
    switch (request.op) {
      case RequestOp::sa_add:
        return add_sa(request);
      case RequestOp::sa_update:
        if (!installed_sas_.contains(request.index)) return Refusal::slot_empty;
        installed_sas_[request.index] = regions_.sa_specs()[request.index];
        return Refusal::none;
      case RequestOp::sa_delete:
        return remove_sa(request);
      case RequestOp::policy_set: {
        const PolicySpec spec = regions_.policy_specs()[request.index];
        if (spec.generation != request.generation) return Refusal::bad_generation;
        policies_[request.index] = spec;
        regions_.policy_states()[request.index].generation = spec.generation;
        return Refusal::none;
      }
      case RequestOp::policy_delete:
        if (policies_.erase(request.index) == 0) return Refusal::slot_empty;
        regions_.policy_states()[request.index].generation = 0;
        return Refusal::none;
      case RequestOp::policy_default:
        default_action_ = request.action;
        return Refusal::none;
      case RequestOp::commit:
        regions_.state().status.phase.store(DataplanePhase::forwarding);
        return Refusal::none;
      case RequestOp::none:
      case RequestOp::address_add:
      case RequestOp::address_delete:
      case RequestOp::route_add:
      case RequestOp::route_delete:
      case RequestOp::neighbor_set:
      case RequestOp::neighbor_delete:
      case RequestOp::esp_options:
      case RequestOp::trace:
      case RequestOp::route_hop:
        return Refusal::none;
    }
    return Refusal::unknown_op;
  }

  Refusal add_sa(const Request& request) {
    const SaSpec spec = regions_.sa_specs()[request.index];
    if (spec.generation != request.generation) return Refusal::bad_generation;
    if (installed_sas_.contains(request.index)) return Refusal::slot_in_use;
    if (regions_.keys()[request.index].generation != spec.generation) return Refusal::bad_key;
    SaState& state = regions_.sa_states()[request.index];
    if (state.generation != spec.generation) {
      state.sequence.store(spec.sequence);
      state.window_size = spec.replay_window;
      state.window_slots = window_slots_for(spec.replay_window);
      state.generation = spec.generation;
    }
    installed_sas_[request.index] = spec;
    return Refusal::none;
  }

  Refusal remove_sa(const Request& request) {
    const auto found = installed_sas_.find(request.index);
    if (found == installed_sas_.end()) return Refusal::slot_empty;
    if (found->second.generation != request.generation) return Refusal::bad_generation;
    installed_sas_.erase(found);
    regions_.sa_states()[request.index].generation = 0;
    return Refusal::none;
  }

  Descriptors descriptors_{};
  Regions regions_;
  std::thread thread_;
  std::atomic<bool> is_running_{false};
  std::mutex mutex_;
  std::function<Refusal(const Request&)> refuse_;
  std::vector<Request> log_;
  std::map<std::uint32_t, SaSpec> installed_sas_;
  std::map<std::uint32_t, PolicySpec> policies_;
  PolicyAction default_action_ = PolicyAction::none;
};

}  // namespace culvert
