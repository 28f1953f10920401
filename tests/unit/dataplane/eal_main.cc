// SPDX-License-Identifier: BSD-3-Clause
#include <gtest/gtest.h>

#include <array>
#include <cstdio>
#include <string>

#include <rte_eal.h>
#include <rte_errno.h>

// Tests of what needs DPDK's memory: without huge pages, devices or files shared with others.
int main(int argc, char** argv) {
  testing::InitGoogleTest(&argc, argv);
  std::array<std::string, 9> arguments = {
      "dataplane_tests", "--no-huge",    "--no-shconf", "--no-pci", "--no-telemetry", "-m", "512",
      "--log-level",     "lib.eal:error"};
  std::array<char*, arguments.size()> pointers{};
  for (std::size_t i = 0; i < arguments.size(); ++i) pointers[i] = arguments[i].data();
  if (rte_eal_init(static_cast<int>(pointers.size()), pointers.data()) < 0) {
    std::fprintf(stderr, "cannot start the EAL: %s\n", rte_strerror(rte_errno));
    return 1;
  }
  const int result = RUN_ALL_TESTS();
  rte_eal_cleanup();
  return result;
}
