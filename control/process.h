// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <sys/types.h>

#include <filesystem>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "control/event_loop.h"
#include "control/result.h"

// What culvert's programs do with processes: find each other, keep keys out of core files, start
// and end one another.

namespace culvert {

// No core files and no ptrace: the process holds keys. Before keys are mapped.
void keep_memory_private();

// The full path of one of culvert's own programs: beside this one, in the build tree, or installed.
[[nodiscard]] Result<std::filesystem::path> find_program(std::string_view name);

// Tells systemd (NOTIFY_SOCKET) about this service, for example "READY=1". Nothing happens where
// nobody asked to be told.
void notify_service_manager(std::string_view state);

// "ended with status 1", "was killed by signal 9 (Killed)"
[[nodiscard]] std::string exit_text(int wait_status);

// A child whose standard output and error come in line by line. It gets SIGTERM when this process
// dies.
class ChildProcess {
 public:
  using LineCallback = std::function<void(const std::string& line)>;

  explicit ChildProcess(EventLoop& loop) : loop_(loop) {}
  ~ChildProcess();
  ChildProcess(const ChildProcess&) = delete;
  ChildProcess& operator=(const ChildProcess&) = delete;

  // Starts `arguments[0]` with standard input from /dev/null. The previous run must have ended.
  [[nodiscard]] Result<void> start(const std::vector<std::string>& arguments, LineCallback on_line);
  [[nodiscard]] bool running() const { return pid_ > 0; }
  [[nodiscard]] pid_t pid() const { return pid_; }
  // Takes the exit status if the child has ended; it is not running afterwards. Lines still in the
  // pipe are handed out first. False: it runs on, or there is none.
  [[nodiscard]] bool reap(int& wait_status);
  // SIGTERM, and after `patience` SIGKILL. Returns when it has ended.
  void end(std::chrono::milliseconds patience);

 private:
  void read_lines();
  void close_pipe();

  EventLoop& loop_;
  pid_t pid_ = 0;
  int pipe_ = -1;
  std::string partial_line_;
  LineCallback on_line_;
};

}  // namespace culvert
