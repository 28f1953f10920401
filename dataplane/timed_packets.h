// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <queue>
#include <span>
#include <unordered_map>
#include <vector>

#include "dataplane/sad.h"

namespace culvert {

// When SAs are to send by themselves: NAT keepalives (RFC 3948 2.3) once nothing else was sent for
// a while, dummy packets (RFC 4303 2.6) at a rate. The housekeeper's; a million SAs cost it the
// logarithm of their number each time one is due.
class TimedPackets {
 public:
  enum class Kind : std::uint8_t { keepalive, dummy };
  struct Due {
    SaIndex sa;
    Kind kind;
  };

  explicit TimedPackets(const Sad& sad) : sad_(&sad) {}

  // An SA was added or changed. Removed ones are forgotten when they would be due.
  void watch(SaIndex index, std::uint64_t now_ns);

  // What is due, as far as there is room for it; returns how many. Dummies that are more than 100
  // ms late are not made up for.
  [[nodiscard]] std::size_t take_due(std::uint64_t now_ns, std::span<Due> due);

  // When there is something due next; CLOCK_REALTIME. It may be late: nothing may be due then.
  [[nodiscard]] std::optional<std::uint64_t> next_ns() const {
    return entries_.empty() ? std::nullopt : std::optional(entries_.top().at_ns);
  }

 private:
  struct Entry {
    std::uint64_t at_ns = 0;
    std::uint64_t number = 0;      // an entry that is not the SA's latest of its kind is stale
    std::uint32_t generation = 0;  // of the SA
    SaIndex sa;
    Kind kind{};
    friend bool operator>(const Entry& left, const Entry& right) {
      return left.at_ns > right.at_ns;
    }
  };

  // The interval in ns; nothing: the entry is stale.
  [[nodiscard]] std::optional<std::uint64_t> interval_of(const Entry& entry) const;

  const Sad* sad_;
  std::uint64_t last_number_ = 0;
  std::unordered_map<std::uint64_t, std::uint64_t> latest_;  // numbers, by SA and kind
  std::priority_queue<Entry, std::vector<Entry>, std::greater<>> entries_;
};

}  // namespace culvert
