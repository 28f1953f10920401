// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <rte_rcu_qsbr.h>

#include <cstdlib>
#include <memory>
#include <new>

#include "dataplane/quiescence.h"

namespace culvert {

// Quiescent states of the workers (rte_rcu_qsbr). A worker that sleeps, or has not started, is
// offline and never waited for.
class Qsbr final : public Quiescence {
 public:
  explicit Qsbr(std::uint32_t workers);

  // Worker `id`'s calls, on its own thread.
  void start(std::uint32_t id) { rte_rcu_qsbr_thread_register(state_.get(), id), online(id); }
  void online(std::uint32_t id) { rte_rcu_qsbr_thread_online(state_.get(), id); }
  void offline(std::uint32_t id) { rte_rcu_qsbr_thread_offline(state_.get(), id); }
  void quiescent(std::uint32_t id) { rte_rcu_qsbr_quiescent(state_.get(), id); }

  // The housekeeper's.
  void wait() override;

 private:
  struct Free {
    void operator()(rte_rcu_qsbr* state) const { std::free(state); }
  };
  std::unique_ptr<rte_rcu_qsbr, Free> state_;
};

}  // namespace culvert
