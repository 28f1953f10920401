// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "crypto/esp_transform.h"
#include "dataplane/fib.h"
#include "dataplane/port.h"
#include "dataplane/quiescence.h"
#include "dataplane/sa.h"
#include "dataplane/sa_table.h"
#include "dataplane/shm/regions.h"
#include "dataplane/table_memory.h"
#include "dataplane/window_memory.h"

namespace culvert {

// The SAD (RFC 4301 4.4.2). Workers look SAs up without locks; the housekeeper alone changes it.
// Expanded keys, 1 KiB an SA, are kept out of core dumps and wiped when their SA goes.
class Sad {
 public:
  // `quiescence` and `regions` outlive the SAD. nullptr: not enough memory; `error` says for what.
  [[nodiscard]] static std::unique_ptr<Sad> create(const Regions& regions, Engine& engine,
                                                   std::uint64_t secret, Quiescence& quiescence,
                                                   std::string& error);
  ~Sad();
  Sad(const Sad&) = delete;
  Sad& operator=(const Sad&) = delete;

  // Readers. Inbound SAs are found by table(); an outbound one by the index its policy names.
  [[nodiscard]] const SaTable& table() const { return *table_; }
  // The SA at `index`, or nullptr. Valid until the worker's next quiescent state.
  [[nodiscard]] const Sa* sa(SaIndex index) const {
    // Acquire: pairs with the release in publish().
    return by_index_[index.raw()].load(std::memory_order_acquire);
  }
  // The outbound SA that sends to this destination with this SPI, or nullptr; for ICMP, which
  // quotes both. Limit: of two with the same key the second is not found.
  [[nodiscard]] const Sa* outbound(const SaKey& key) const {
    const SaIndex index = outbound_table_->find(key);
    return index == kNoSa ? nullptr : sa(index);
  }
  [[nodiscard]] SaState& state(SaIndex index) const { return states_[index.raw()]; }
  // Has the first lines of an SA on their way, one in each of the places that it takes, before it
  // is known whether there is one: its slot is where it nearly always lies. A core walks the page
  // tables for few places at a time; the other lines wait until that is done: prefetch(Sa).
  void prefetch(SaIndex index) const {
    __builtin_prefetch(&by_index_[index.raw()]);
    __builtin_prefetch(&slots_[index.raw()]);
    __builtin_prefetch(&states_[index.raw()], 1);
  }

  // Writer. `spec` and `key` are private copies of what lies in shared memory and may hold
  // anything. An SA whose SaState has this generation already is taken up where it was: its
  // sequence number and window never go back. Errors: every Refusal that names an SA's field.
  [[nodiscard]] Refusal add(SaIndex index, const SaSpec& spec, const KeySlot& key);
  // Writer. Endpoints, encapsulation, flags, selector, reqid and limits may differ; direction,
  // family, mode, SPI, transform, key and window stay. A sequence number above the present one
  // moves that up.
  [[nodiscard]] Refusal update(SaIndex index, const SaSpec& spec);
  // Writer. After it no worker sees the SA any more; the caller then waits for quiescence and
  // calls reclaim().
  [[nodiscard]] Refusal remove(SaIndex index, std::uint32_t generation);
  // Writer, after quiescence: wipes and frees what was removed or replaced before.
  void reclaim();
  [[nodiscard]] bool has_removed() const { return !retired_.empty(); }

  // Writer: sets the next hop of all outbound SAs from the forwarding table. Where a route has
  // several, a hash of the outer header chooses (addresses and SPI, or UDP's ports).
  void resolve_next_hops(const Fib& fib, std::span<const Port> ports);
  void resolve_next_hop(SaIndex index, const Fib& fib, std::span<const Port> ports);

 private:
  // What a packet reads of an SA lies together, as far as it is this process's alone: memory far
  // apart costs several times as much. An update makes its Sa elsewhere while this one is read.
  struct alignas(64) Slot {
    Sa sa;
    ExpandedKey key;
  };
  // Bits of uses_.
  static constexpr std::uint8_t kSaTaken = 1;     // the slot's own Sa is published, or retired
  static constexpr std::uint8_t kKeyRetired = 2;  // the key waits to be wiped
  // What to do with a removed SA once nobody reads it.
  struct Retired {
    Sa* sa;
    std::uint32_t wiped_index;  // kKeepsKey: another Sa uses the same key
  };
  static constexpr std::uint32_t kKeepsKey = 0xffffffff;

  Sad(const Regions& regions, Engine& engine, Quiescence& quiescence);
  [[nodiscard]] Sa* take_sa(SaIndex index);
  void give_back(Sa* sa);
  void retire(Sa* sa, SaIndex index);
  [[nodiscard]] Refusal check_spec(SaIndex index, const SaSpec& spec) const;
  [[nodiscard]] Refusal prepare_state(const SaSpec& spec, SaState& state);
  void fill(Sa& sa, SaIndex index, const SaSpec& spec) const;

  Engine* engine_;
  Quiescence* quiescence_;
  std::uint32_t max_sas_;
  std::span<SaState> states_;
  std::span<std::atomic<std::uint64_t>> windows_;
  std::unique_ptr<SaTable> table_;
  std::unique_ptr<SaTable> outbound_table_;
  TableMemory<std::atomic<Sa*>> by_index_;
  TableMemory<Slot> slots_;
  TableMemory<std::uint8_t> uses_;  // by index
  TableMemory<Sa> spares_;          // for those updated while their slot's own is read
  WindowMemory window_memory_;
  std::vector<Sa*> free_spares_;
  std::uint32_t spares_used_ = 0;
  std::vector<Retired> retired_;
  std::uint32_t highest_index_ = 0;
};

}  // namespace culvert
