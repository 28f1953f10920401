// SPDX-License-Identifier: BSD-3-Clause
#include "dataplane/qsbr.h"

#include <sched.h>

#include <cstdio>

namespace culvert {

Qsbr::Qsbr(std::uint32_t workers) {
  const std::size_t bytes = rte_rcu_qsbr_get_memsize(workers);
  state_.reset(static_cast<rte_rcu_qsbr*>(std::aligned_alloc(RTE_CACHE_LINE_SIZE, bytes)));
  if (state_ == nullptr || rte_rcu_qsbr_init(state_.get(), workers) != 0) {
    std::fputs("culvertd: no memory for quiescent states\n", stderr);
    std::abort();
  }
}

// Worker and housekeeper may share a core, so the wait gives it up.
void Qsbr::wait() {
  const std::uint64_t token = rte_rcu_qsbr_start(state_.get());
  while (rte_rcu_qsbr_check(state_.get(), token, false) != 1) sched_yield();
}

}  // namespace culvert
