// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <chrono>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "control/config.h"
#include "control/event_loop.h"
#include "control/instance_lock.h"
#include "control/port_holder.h"
#include "control/process.h"
#include "control/regions_server.h"
#include "control/result.h"

namespace culvert {

enum class SupervisorDuty {
  run_gateway,   // `culvert up`: also starts culvertd and culvert-control, and again when they die
  hold_regions,  // `culvert hold`: those are services of their own
};

// Holds what must outlive culvertd and culvert-control: the regions (SAs, keys, sequence numbers),
// the port namespace and the interfaces in it. Ends in order: control, culvertd, interfaces, keys.
class Supervisor {
 public:
  Supervisor(EventLoop& loop, const Config& config, std::string instance, SupervisorDuty duty);
  ~Supervisor();
  Supervisor(const Supervisor&) = delete;
  Supervisor& operator=(const Supervisor&) = delete;

  // Runs until SIGTERM or SIGINT. `on_ready` is called once, when the gateway forwards (or the
  // regions are held). An error when it did not come that far, EPERM when a child was not allowed
  // something; the children's own reasons are on standard error by then.
  [[nodiscard]] Result<void> run(const std::function<void()>& on_ready);

 private:
  // A program that is started again when it dies.
  struct Service {
    std::string name;
    std::vector<std::string> arguments;
    std::unique_ptr<ChildProcess> process;
    std::chrono::milliseconds restart_delay{0};
    EventLoop::Clock::time_point started{};
    std::string said;  // the last line before the gateway was ready
  };

  [[nodiscard]] Result<void> prepare();
  [[nodiscard]] Result<void> start_services();
  [[nodiscard]] Result<void> start(Service& service);
  void reap();
  void restart_later(Service& service, const std::string& why);
  void check_ready(const std::function<void()>& on_ready);
  void fail(int code, std::string message);
  void tear_down();

  EventLoop& loop_;
  const Config& config_;
  const std::string instance_;
  const SupervisorDuty duty_;
  // In the order in which they are made; they go in the reverse one.
  std::unique_ptr<InstanceLock> lock_;
  PortHolder ports_;
  std::unique_ptr<RegionsServer> regions_;
  Service dataplane_{.name = "culvertd", .arguments = {}, .process = nullptr};
  Service control_{.name = "culvert-control", .arguments = {}, .process = nullptr};
  bool is_ready_ = false;
  bool is_ending_ = false;
  std::optional<Error> failure_;
};

}  // namespace culvert
