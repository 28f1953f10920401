// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <random>
#include <utility>
#include <vector>

#include "dataplane/shm/messages.h"

namespace culvert {

inline constexpr std::uint32_t kNoPolicy = 0xffffffff;

using Number = std::array<std::uint8_t, 16>;

// An IPv4 or IPv6 packet, as plain as can be.
struct PlainFlow {
  Family family = Family::v4;
  Number src{};
  Number dst{};
  std::uint16_t src_port = 0;
  std::uint16_t dst_port = 0;
  std::uint8_t protocol = 0;
};

// The plainest SPD: a list, searched from end to end.
class PlainSpd {
 public:
  explicit PlainSpd(std::size_t size) : slots_(size) {}

  void set(std::uint32_t index, const PolicySpec& spec) {
    std::optional<Slot>& slot = slots_[index];
    const bool keeps_place =
        slot && slot->spec.priority == spec.priority && slot->spec.direction == spec.direction &&
        slot->spec.selector == spec.selector && slot->spec.ranges == spec.ranges;
    slot = Slot{spec, keeps_place ? slot->order : next_order_++};
  }
  void remove(std::uint32_t index) { slots_[index].reset(); }
  [[nodiscard]] bool holds(std::uint32_t index) const { return slots_[index].has_value(); }

  [[nodiscard]] std::uint32_t find(Direction direction, const PlainFlow& key) const {
    std::uint32_t best = kNoPolicy;
    for (std::uint32_t i = 0; i < slots_.size(); ++i) {
      if (!slots_[i] || slots_[i]->spec.direction != direction || !matches(slots_[i]->spec, key))
        continue;
      if (best == kNoPolicy || rank(i) < rank(best)) best = i;
    }
    return best;
  }

 private:
  struct Slot {
    PolicySpec spec;
    std::uint64_t order;
  };
  [[nodiscard]] std::pair<std::uint32_t, std::uint64_t> rank(std::uint32_t i) const {
    return {slots_[i]->spec.priority, slots_[i]->order};
  }
  static bool has_prefix(const Number& address, const Number& network, std::uint8_t bits) {
    for (std::size_t i = 0; i < bits; ++i) {
      if (((address[i / 8] ^ network[i / 8]) & 0x80 >> i % 8) != 0) return false;
    }
    return true;
  }
  static bool has_port(std::uint16_t port, Be16 first, Be16 mask, Be16 last, bool is_range) {
    if (is_range) return first.host() <= port && port <= last.host();
    return ((first.host() ^ port) & mask.host()) == 0;
  }
  static bool has_address(const Number& address, const Number& first, std::uint8_t bits,
                          const Number& last, bool is_range) {
    return is_range ? first <= address && address <= last : has_prefix(address, first, bits);
  }
  static bool matches(const PolicySpec& spec, const PlainFlow& key) {
    const Selector& selector = spec.selector;
    const SelectorRanges& ranges = spec.ranges;
    const bool has_addresses = selector.family == Family::none ||
                               (selector.family == key.family &&
                                has_address(key.src, selector.src.bytes, selector.src_prefix_bits,
                                            ranges.src_last.bytes, ranges.has(kRangeSrc)) &&
                                has_address(key.dst, selector.dst.bytes, selector.dst_prefix_bits,
                                            ranges.dst_last.bytes, ranges.has(kRangeDst)));
    return has_addresses && (selector.protocol == 0 || selector.protocol == key.protocol) &&
           has_port(key.src_port, selector.src_port, selector.src_port_mask, ranges.src_port_last,
                    ranges.has(kRangeSrcPort)) &&
           has_port(key.dst_port, selector.dst_port, selector.dst_port_mask, ranges.dst_port_last,
                    ranges.has(kRangeDstPort));
  }

  std::vector<std::optional<Slot>> slots_;
  std::uint64_t next_order_ = 0;
};

// Few addresses and ports, so that ranges overlap a lot, about the same middles.
class RandomRanges {
 public:
  PolicySpec policy() {
    PolicySpec spec;
    spec.generation = 1;
    spec.direction = below(2) == 0 ? Direction::in : Direction::out;
    spec.action = PolicyAction::bypass;
    spec.priority = below(4) == 0 ? below(1000) : below(5);
    Selector& selector = spec.selector;
    selector.family = std::array{Family::v4, Family::v6, Family::none}[below(20) * 3 / 22];
    selector.protocol = below(2) == 0 ? std::uint8_t{0} : protocol();
    if (selector.family != Family::none) {
      choose_address(selector.family, selector.src, selector.src_prefix_bits, spec.ranges.src_last,
                     spec.ranges.fields, kRangeSrc);
      choose_address(selector.family, selector.dst, selector.dst_prefix_bits, spec.ranges.dst_last,
                     spec.ranges.fields, kRangeDst);
    }
    choose_port(selector.src_port, selector.src_port_mask, spec.ranges.src_port_last,
                spec.ranges.fields, kRangeSrcPort);
    choose_port(selector.dst_port, selector.dst_port_mask, spec.ranges.dst_port_last,
                spec.ranges.fields, kRangeDstPort);
    return spec;
  }
  PlainFlow flow() {
    const Family family = below(2) == 0 ? Family::v4 : Family::v6;
    return {family, address(family), address(family), port(), port(), protocol()};
  }
  std::uint32_t below(std::uint32_t end) { return static_cast<std::uint32_t>(random_() % end); }

 private:
  // Of IPv6 the second half varies too.
  Number address(Family family) {
    Number bytes{10, 1};
    bytes[2] = static_cast<std::uint8_t>(126 + below(4));
    bytes[3] = static_cast<std::uint8_t>(below(2) * 255);
    if (family == Family::v6) {
      bytes[7] = static_cast<std::uint8_t>(below(2));
      bytes[8] = static_cast<std::uint8_t>(below(3) * 127);
      bytes[15] = static_cast<std::uint8_t>(below(3));
    }
    return bytes;
  }
  std::uint8_t protocol() { return below(2) == 0 ? 17 : 1; }
  std::uint16_t port() {
    return std::array<std::uint16_t, 8>{0, 3, 4, 8, 32767, 32768, 32769, 65535}[below(8)];
  }
  void choose_address(Family family, IpAddress& first, std::uint8_t& bits, IpAddress& last,
                      std::uint8_t& fields, std::uint8_t field) {
    first.bytes = address(family);
    if (below(2) == 0) {
      last.bytes = address(family);
      if (last < first) std::swap(first, last);
      fields |= field;
    } else if (family == Family::v4) {
      bits = std::array<std::uint8_t, 5>{0, 16, 22, 24, 32}[below(5)];
    } else {
      bits = std::array<std::uint8_t, 6>{0, 16, 64, 65, 120, 128}[below(6)];
    }
  }
  void choose_port(Be16& first, Be16& mask, Be16& last, std::uint8_t& fields, std::uint8_t field) {
    const std::uint16_t one = port();
    const std::uint16_t other = port();
    first = Be16{std::min(one, other)};
    if (below(2) == 0) {
      last = Be16{std::max(one, other)};
      fields |= field;
    } else {
      mask = Be16{std::array<std::uint16_t, 3>{0, 0xffff, 0xfffe}[below(3)]};
    }
  }

  std::mt19937 random_{17};
};

}  // namespace culvert
