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
// of either table makes all of it void at once. Its worker's alone. The families have sets of their
// own: an IPv4 flow and its verdict take half a cache line, those of IPv6 a whole one.
class FlowCache {
 public:
  // `secret` is random, so that nobody can choose flows that drive each other out.
  FlowCache(const Spd& spd, const Fib& fib, std::uint64_t secret);

  // At most kBurst flows. Verdicts stay valid until the worker's next quiescent state.
  void lookup_burst(std::span<const FlowWords> flows, std::span<FlowVerdict> verdicts);
  void lookup_burst(std::span<const FlowWords6> flows, std::span<FlowVerdict> verdicts);

 private:
  static constexpr std::size_t kSets = 4096;  // of each family
  static constexpr int kScopeShift = 24;

  // What is kept of a verdict.
  struct Kept {
    std::uint32_t version;   // of the tables, low 32 bits
    std::uint32_t inbound;   // Spd::number_of()
    std::uint32_t outbound;  // Spd::number_of()
    std::uint32_t next_hop;  // adjacency, FlowScope << kScopeShift
  };
  template <FamilyWords Words>
  struct Entry {
    Words flow;
    Kept kept;
  };
  template <FamilyWords Words>
  struct alignas(64) Set {
    std::array<Entry<Words>, 2> ways;
  };
  static_assert(sizeof(Set<FlowWords>) == 64 && sizeof(Set<FlowWords6>) == 128);

  // A family's flows, and those of the burst that were not among them.
  template <FamilyWords Words>
  struct Flows {
    Flows() : sets(std::make_unique<std::array<Set<Words>, kSets>>()) {}

    std::unique_ptr<std::array<Set<Words>, kSets>> sets;
    std::size_t missed_count = 0;
    std::array<std::uint32_t, kBurst> missed;
    std::array<Words, kBurst> missed_flows;
  };

  template <FamilyWords Words>
  void look_up(Flows<Words>& known, std::span<const Words> flows, std::span<FlowVerdict> verdicts);
  template <FamilyWords Words>
  [[nodiscard]] Set<Words>& set_of(const Flows<Words>& known, const Words& flow) const;
  template <FamilyWords Words>
  [[nodiscard]] const Entry<Words>* find(const Set<Words>& set, const Words& flow) const;
  [[nodiscard]] FlowVerdict verdict_of(const Kept& kept) const;
  void take_version();
  template <FamilyWords Words>
  void look_up_missed(Flows<Words>& known, std::span<const Words> flows,
                      std::span<FlowVerdict> verdicts);
  template <FamilyWords Words>
  void keep(Flows<Words>& known, const Entry<Words>& entry);

  const Spd* spd_;
  const Fib* fib_;
  std::uint64_t secret_;
  std::uint64_t version_ = 0;
  std::uint32_t next_victim_ = 0;
  Flows<FlowWords> v4_;
  Flows<FlowWords6> v6_;
};

}  // namespace culvert
