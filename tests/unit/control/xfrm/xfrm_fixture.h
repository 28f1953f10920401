// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <gtest/gtest.h>

#include <filesystem>
#include <memory>
#include <string>

#include "control/event_loop.h"
#include "control/request_channel.h"
#include "control/sa_manager.h"
#include "control/xfrm/server.h"
#include "dataplane/shm/regions.h"

namespace culvert::test {

// What a program printed, and how it ended.
struct Outcome {
  int status = -1;     // exit status
  std::string output;  // standard output and error, as they came
};

// An XFRM server over an SA manager whose dataplane says yes to everything. 192.0.2.1 is ours.
// Programs run as real processes while the server's loop runs here.
class XfrmFixture : public ::testing::Test {
 protected:
  XfrmFixture();
  ~XfrmFixture() override;

  // Runs a shell command in a network namespace of its own, whose XFRM is this server's.
  Outcome run(const std::string& command) { return run_with(command, Side::culvert); }
  // The same for "ip" with these arguments.
  Outcome ip(const std::string& arguments) { return run("ip " + arguments); }
  // The same command with the XFRM of a fresh Linux network namespace.
  Outcome run_in_kernel(const std::string& command) { return run_with(command, Side::kernel); }

  // A program that goes on beside the test. Its output so far can be read at any time.
  void start(const std::string& command);
  void pump(std::chrono::milliseconds duration);
  Outcome end();

  // The dataplane's view of the regions, to count what a test wants to see counted.
  Regions& dataplane() { return dataplane_; }
  SaManager& manager() { return *manager_; }
  EventLoop& loop() { return loop_; }
  const std::filesystem::path& directory() const { return directory_; }
  const std::string& socket_path() const { return socket_path_; }

 private:
  enum class Side { culvert, kernel };
  Outcome run_with(const std::string& command, Side side);
  pid_t spawn(const std::string& command, Side side);
  Outcome collect(pid_t pid);

  std::filesystem::path directory_;
  std::string socket_path_;
  Descriptors descriptors_{};
  Regions regions_;
  Regions dataplane_;
  DryRunChannel channel_;
  EventLoop loop_;
  std::unique_ptr<SaManager> manager_;
  std::unique_ptr<xfrm::XfrmServer> server_;
  pid_t background_ = -1;
};

// The entries of a list ("src ..." and what is indented below it) in alphabetical order, without
// the times when they were added and the indices that the kernel or culvert chose: the kernel lists
// the newest first, culvert by its slots.
[[nodiscard]] std::string normalized(const std::string& output);

}  // namespace culvert::test
