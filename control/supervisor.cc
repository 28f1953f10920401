// SPDX-License-Identifier: BSD-3-Clause
#include "control/supervisor.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <signal.h>
#include <spdlog/spdlog.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdio>
#include <system_error>
#include <utility>

#include "control/api/paths.h"

namespace culvert {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

constexpr milliseconds kFirstRestartDelay{100};
constexpr milliseconds kLongestRestartDelay{5000};
// A service that ran so long starts again at once. A start costs a third of a second: what dies of
// some packet every now and then shall rather forward in between than wait.
constexpr seconds kLivesWell{1};
constexpr milliseconds kReadyPoll{20};
constexpr seconds kStartPatience{60};
constexpr milliseconds kEndPatience{5000};

// Children write whole lines; they are passed on as they are.
void pass_on(const std::string& line) {
  std::fprintf(stderr, "%s\n", line.c_str());
}

// The system's words, whatever it was that was not allowed.
bool is_about_rights(const std::string& line) {
  return std::ranges::any_of(std::array{EPERM, EACCES}, [&line](int code) {
    return line.find(std::generic_category().message(code)) != std::string::npos;
  });
}

}  // namespace

Supervisor::Supervisor(EventLoop& loop, const Config& config, std::string instance,
                       SupervisorDuty duty)
    : loop_(loop), config_(config), instance_(std::move(instance)), duty_(duty) {}

Supervisor::~Supervisor() {
  tear_down();
}

Result<void> Supervisor::prepare() {
  auto lock = InstanceLock::take(instance_, config_.group);
  if (!lock) return lock.error();
  lock_ = std::make_unique<InstanceLock>(std::move(*lock));
  if (const auto taken = ports_.take(config_.ports); !taken) return taken;

  Descriptors descriptors{};
  const std::string error =
      create_regions(region_sizes(config_), start_config(config_, instance_), descriptors);
  descriptors[static_cast<std::size_t>(Descriptor::port_namespace)] =
      fcntl(ports_.port_namespace(), F_DUPFD_CLOEXEC, 0);
  regions_ = std::make_unique<RegionsServer>(loop_, descriptors, lock_->folder() / kRegionsSocket);
  if (!error.empty()) return Error{ENOMEM, error};
  return regions_->open();
}

Result<void> Supervisor::start_services() {
  const std::string regions = (lock_->folder() / kRegionsSocket).string();
  const auto dataplane = find_program("culvertd");
  if (!dataplane) return dataplane.error();
  const auto control = find_program("culvert-control");
  if (!control) return control.error();
  dataplane_.arguments = {dataplane->string(), "--regions", regions};
  control_.arguments = {
      control->string(), "--config", config_.file.string(), "--instance", instance_,
      "--regions",       regions};
  loop_.on_signal(SIGCHLD, [this] { reap(); });
  if (const auto started = start(dataplane_); !started) return started;
  return start(control_);
}

Result<void> Supervisor::start(Service& service) {
  if (!service.process) service.process = std::make_unique<ChildProcess>(loop_);
  service.started = EventLoop::Clock::now();
  return service.process->start(service.arguments, [this, &service](const std::string& line) {
    pass_on(line);
    if (!is_ready_) service.said = line;
  });
}

void Supervisor::reap() {
  for (Service* service : {&dataplane_, &control_}) {
    int status = 0;
    if (!service->process || !service->process->reap(status)) continue;
    const std::string text = fmt::format("{} {}", service->name, exit_text(status));
    if (is_ending_) continue;
    if (!is_ready_) {
      return fail(is_about_rights(service->said) ? EPERM : ECHILD,
                  text + " before the gateway was ready");
    }
    restart_later(*service, text);
  }
}

void Supervisor::restart_later(Service& service, const std::string& why) {
  const bool lived_well = EventLoop::Clock::now() - service.started >= kLivesWell;
  service.restart_delay = lived_well || service.restart_delay.count() == 0
                              ? kFirstRestartDelay
                              : std::min(2 * service.restart_delay, kLongestRestartDelay);
  // Said no sooner: a signal to the whole group ends a service first, and then us.
  loop_.after(service.restart_delay, [this, &service, why] {
    spdlog::warn("{}; starting it again after {} ms", why, service.restart_delay.count());
    if (const auto started = start(service); !started) {
      restart_later(service, fmt::format("{}: {}", service.name, started.error().message));
    }
  });
}

void Supervisor::fail(int code, std::string message) {
  if (!failure_) failure_ = Error{code, std::move(message)};
  loop_.stop();
}

void Supervisor::check_ready(const std::function<void()>& on_ready) {
  if (is_ready_ || regions_->phase() != DataplanePhase::forwarding) return;
  is_ready_ = true;
  on_ready();
}

Result<void> Supervisor::run(const std::function<void()>& on_ready) {
  for (const int signal : {SIGTERM, SIGINT}) {
    loop_.on_signal(signal, [this] {
      is_ending_ = true;
      loop_.stop();
    });
  }
  loop_.on_signal(SIGHUP, [] {});
  if (const auto prepared = prepare(); !prepared) return prepared;
  EventLoop::TimerId poll = 0;
  if (duty_ == SupervisorDuty::hold_regions) {
    is_ready_ = true;
    on_ready();
  } else {
    if (const auto started = start_services(); !started) return started;
    poll = loop_.every(kReadyPoll, [this, &on_ready, &poll] {
      check_ready(on_ready);
      if (is_ready_) loop_.cancel(poll);
    });
    loop_.after(kStartPatience, [this] {
      if (is_ready_) return;
      fail(ETIMEDOUT, fmt::format("the gateway is not ready after {} s", kStartPatience.count()));
    });
  }
  loop_.run();
  loop_.cancel(poll);
  tear_down();
  if (failure_) return *failure_;
  return {};
}

void Supervisor::tear_down() {
  for (Service* service : {&control_, &dataplane_}) {
    if (service->process) service->process->end(kEndPatience);
    service->process.reset();
  }
  if (regions_) regions_->wipe_keys();
}

}  // namespace culvert
