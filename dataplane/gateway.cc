// SPDX-License-Identifier: BSD-3-Clause
#include "dataplane/gateway.h"

#include <fcntl.h>
#include <rte_launch.h>
#include <sched.h>
#include <sys/prctl.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstring>

#include "dataplane/devices.h"

namespace culvert {
namespace {

// The network namespace that Linux interfaces used as ports were moved to; this process's own comes
// back at the end of the block.
class InPortNamespace {
 public:
  explicit InPortNamespace(const Descriptors& descriptors)
      : own_(open("/proc/thread-self/ns/net", O_RDONLY | O_CLOEXEC)) {
    is_inside_ = own_ >= 0 &&
                 setns(descriptor_of(descriptors, Descriptor::port_namespace), CLONE_NEWNET) == 0;
  }
  InPortNamespace(const InPortNamespace&) = delete;
  InPortNamespace& operator=(const InPortNamespace&) = delete;
  ~InPortNamespace() {
    if (is_inside_ && setns(own_, CLONE_NEWNET) != 0) std::abort();
    if (own_ >= 0) close(own_);
  }
  [[nodiscard]] bool is_inside() const { return is_inside_; }

 private:
  int own_;
  bool is_inside_ = false;
};

bool has_linux_interface(const StartConfig& start) {
  for (std::uint32_t i = 0; i < start.port_count; ++i) {
    if (start.ports[i].kind == PortKind::linux_interface) return true;
  }
  return false;
}

// Runs `action` where the ports are, and returns its error.
template <typename Action>
std::string with_ports(const StartConfig& start, const Descriptors& descriptors, Action action) {
  if (!has_linux_interface(start)) return action();
  const InPortNamespace there(descriptors);
  if (!there.is_inside()) {
    return std::string("cannot enter the port namespace: ") + std::strerror(errno) +
           "; culvertd needs CAP_SYS_ADMIN";
  }
  return action();
}

std::string open_mirrors(std::span<const Port> ports, std::span<PortStatus> statuses,
                         std::vector<Mirror>& mirrors) {
  for (const Port& port : ports) {
    Mirror mirror;
    if (std::string error = mirror.open(port); !error.empty()) return error;
    mirror.set_carrier(false);
    mirrors.push_back(std::move(mirror));
    statuses[port.id].has_mirror = 1;
    statuses[port.id].link_up = 0;
  }
  return {};
}

// What one worker's thread needs.
struct WorkerThread {
  Dataplane* dataplane;
  std::uint32_t id;
  const std::atomic<bool>* stop;
};

int run_worker(void* argument) {
  WorkerThread thread = *static_cast<WorkerThread*>(argument);
  prctl(PR_SET_TIMERSLACK, 1);  // ns; the default adds 50 us to every timed sleep
  Worker& worker = thread.dataplane->worker(thread.id);
  thread.dataplane->qsbr().start(thread.id);
  Rest rest(thread.dataplane->rest(thread.id));
  while (!thread.stop->load(std::memory_order_relaxed)) rest.after(worker.run_once());
  thread.dataplane->qsbr().offline(thread.id);
  return 0;
}

std::string launch_workers(std::vector<WorkerThread>& threads) {
  for (WorkerThread& thread : threads) {
    if (rte_eal_remote_launch(run_worker, &thread, thread.id + 1) != 0) {
      return "worker " + std::to_string(thread.id) + " does not start";
    }
  }
  return {};
}

void serve(Dataplane& dataplane, const std::atomic<bool>& stop, bool until_commit) {
  Housekeeper& housekeeper = dataplane.housekeeper();
  while (!stop.load(std::memory_order_relaxed)) {
    if (until_commit && dataplane.requests().is_committed()) return;
    if (housekeeper.run_once() == 0) housekeeper.wait();
  }
}

}  // namespace

std::string run_gateway(Dataplane& dataplane, const Descriptors& descriptors,
                        const std::atomic<bool>& stop) {
  DataplaneStatus& status = dataplane.status();
  const auto in_ports = [&](auto action) {
    return with_ports(dataplane.start(), descriptors, action);
  };
  std::string error = in_ports([&] {
    return open_devices(dataplane.start(), dataplane.pool(), dataplane.ports(), status.ports);
  });
  std::vector<Mirror> mirrors;
  if (error.empty()) error = open_mirrors(dataplane.ports(), status.ports, mirrors);
  if (error.empty()) {
    error = dataplane.make_workers(mirrors, descriptor_of(descriptors, Descriptor::request_bell),
                                   descriptor_of(descriptors, Descriptor::state_bell), nullptr);
  }
  if (!error.empty()) return error;

  status.phase.store(DataplanePhase::silent, std::memory_order_release);
  serve(dataplane, stop, true);
  if (!stop.load()) error = in_ports([&] { return start_devices(dataplane.ports()); });
  // Workers end by a word of their own: those that were launched before one that was not, too.
  std::atomic<bool> workers_stop{false};
  std::vector<WorkerThread> threads;
  for (std::uint32_t i = 0; i < dataplane.start().worker_count; ++i) {
    threads.push_back({&dataplane, i, &workers_stop});
  }
  if (error.empty() && !stop.load()) error = launch_workers(threads);
  if (error.empty() && !stop.load()) {
    status.phase.store(DataplanePhase::forwarding, std::memory_order_release);
    serve(dataplane, stop, false);
  }
  status.phase.store(DataplanePhase::stopping, std::memory_order_release);
  workers_stop.store(true, std::memory_order_relaxed);
  for (const WorkerThread& thread : threads) dataplane.bell(thread.id).ring();
  rte_eal_mp_wait_lcore();
  for (Mirror& mirror : mirrors) mirror.remove_at_close();
  static_cast<void>(in_ports([&] {
    close_devices(dataplane.ports());
    return std::string();
  }));
  return error;
}

}  // namespace culvert
