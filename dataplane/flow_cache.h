// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <span>

#include "dataplane/fib.h"
#include "dataplane/flow_key.h"
#include "dataplane/sa_groups.h"
#include "dataplane/spd.h"

namespace culvert {

// May a router forward between a flow's two addresses?
enum class FlowScope : std::uint8_t {
  one_host,    // yes
  for_many,    // the destination is multicast or limited broadcast
  unroutable,  // one of them is no host's own address (RFC 1812 5.3.7)
};

// What the tables say about a flow.
struct FlowVerdict {
  const PolicyEntry* inbound = nullptr;   // nullptr: no policy matches
  const PolicyEntry* outbound = nullptr;  // nullptr: no policy matches
  AdjacencyIndex adjacency;
  FlowScope scope{};
};

// SPD and FIB as one worker sees them. It keeps what they said about the flows it met last, so that
// most packets cost one cache line instead of two searches of the SPD and one of the FIB. A change
// of either table makes all of it void at once. Its worker's alone.
class FlowCache {
 public:
  // `secret` is random, so that nobody can choose flows that drive each other out.
  FlowCache(const Spd& spd, const Fib& fib, std::uint64_t secret);

  // At most kBurst flows. Verdicts stay valid until the worker's next quiescent state.
  void lookup_burst(std::span<const FlowWords> flows, std::span<FlowVerdict> verdicts);

 private:
  struct Entry {
    FlowWords flow;
    std::uint32_t version;   // of the tables, low 32 bits
    std::uint32_t inbound;   // Spd::number_of()
    std::uint32_t outbound;  // Spd::number_of()
    std::uint32_t next_hop;  // adjacency, FlowScope << kScopeShift
  };
  struct alignas(64) Set {
    std::array<Entry, 2> ways;
  };
  static constexpr std::size_t kSets = 4096;
  static constexpr int kScopeShift = 24;

  [[nodiscard]] Set& set_of(const FlowWords& flow) const;
  [[nodiscard]] const Entry* find(const Set& set, const FlowWords& flow) const;
  [[nodiscard]] FlowVerdict verdict_of(const Entry& entry) const;
  void take_version();
  void look_up_missed(std::span<const FlowWords> flows, std::span<FlowVerdict> verdicts);
  void keep(const Entry& entry);

  const Spd* spd_;
  const Fib* fib_;
  std::uint64_t secret_;
  std::uint64_t version_ = 0;
  std::unique_ptr<std::array<Set, kSets>> sets_;
  std::uint32_t next_victim_ = 0;

  // Those of the burst that were not here.
  std::size_t missed_count_ = 0;
  std::array<std::uint32_t, kBurst> missed_;
  std::array<FlowWords, kBurst> missed_flows_;
};

}  // namespace culvert
