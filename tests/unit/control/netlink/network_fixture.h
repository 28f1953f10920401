// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <gtest/gtest.h>
#include <sched.h>
#include <unistd.h>

#include <array>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <utility>

#include "control/netlink/netns.h"

namespace culvert {

// Gives each test an empty network namespace of its own, as the test thread's and its children's.
class NetworkTest : public testing::Test {
 protected:
  void SetUp() override {
    auto original = current_network_namespace();
    ASSERT_TRUE(original) << original.error().message;
    if (::unshare(CLONE_NEWNET) != 0) {
      ASSERT_NE(::geteuid(), 0u) << "root, but without a network namespace";
      GTEST_SKIP() << "needs root: network namespaces";
    }
    original_ = std::move(*original);
    run("ip link set lo up");
  }

  void TearDown() override {
    if (!original_.is_open()) return;
    ASSERT_EQ(::setns(original_.get(), CLONE_NEWNET), 0);
  }

  // Runs a shell command that must succeed, and returns what it printed.
  static std::string run(const std::string& command) {
    std::string output;
    FILE* const pipe = ::popen((command + " 2>&1").c_str(), "r");
    if (pipe == nullptr) {
      ADD_FAILURE() << command << ": cannot be run";
      return output;
    }
    std::array<char, 4096> buffer{};
    std::size_t length = 0;
    while ((length = std::fread(buffer.data(), 1, buffer.size(), pipe)) != 0) {
      output.append(buffer.data(), length);
    }
    EXPECT_EQ(::pclose(pipe), 0) << command << ": " << output;
    return output;
  }

  // The same inside a network namespace.
  static std::string run_in(int network_namespace, const std::string& command) {
    std::string output;
    const auto done = inside_network_namespace(network_namespace, [&]() -> Result<void> {
      output = run(command);
      return {};
    });
    EXPECT_TRUE(done) << done.error().message;
    return output;
  }

 private:
  UniqueFd original_;
};

}  // namespace culvert
