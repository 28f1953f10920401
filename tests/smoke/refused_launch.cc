// SPDX-License-Identifier: BSD-3-Clause
// Loaded before DPDK: its EAL starts a thread for lcore 2, and then refuses it work.

#include <dlfcn.h>

#include <cerrno>

using Work = int (*)(void*);

extern "C" int rte_eal_remote_launch(Work work, void* argument, unsigned lcore) {
  using Launch = int (*)(Work, void*, unsigned);
  static int launches_of_2 = 0;
  // The first one is the EAL's own, at its start.
  if (lcore == 2 && ++launches_of_2 == 2) return -EBUSY;
  static const auto launch = reinterpret_cast<Launch>(dlsym(RTLD_NEXT, "rte_eal_remote_launch"));
  return launch(work, argument, lcore);
}
