// SPDX-License-Identifier: BSD-3-Clause
#include "dataplane/spd_selector.h"

#include <algorithm>
#include <array>
#include <bit>

namespace culvert {
namespace {

__extension__ using Word128 = unsigned __int128;

constexpr std::uint64_t kPorts = 0xffffffff;
constexpr std::uint64_t kAllOnes = ~std::uint64_t{0};
constexpr unsigned kV4Bits = 32;
constexpr unsigned kV6Bits = 128;

Word128 joined(std::uint64_t high, std::uint64_t low) {
  return Word128{high} << 64 | low;
}

template <typename Number>
bool is_between(Number value, Number low, Number high) {
  return low <= value && value <= high;
}

bool has_ports_within(const FlowBounds& bounds, std::uint64_t rest) {
  const auto src = [](std::uint64_t word) { return static_cast<std::uint16_t>(word >> 16); };
  const auto dst = [](std::uint64_t word) { return static_cast<std::uint16_t>(word); };
  return is_between(src(rest), src(bounds.low.rest), src(bounds.high.rest)) &&
         is_between(dst(rest), dst(bounds.low.rest), dst(bounds.high.rest));
}

FlowWords6 under(const FlowWords6& words, const FlowWords6& mask) {
  return {words.source_high & mask.source_high, words.rest & mask.rest,
          words.source_low & mask.source_low, words.destination_high & mask.destination_high,
          words.destination_low & mask.destination_low};
}

// The mask of `bits` bits, of which the word holds those from `first` on.
std::uint64_t prefix_word(unsigned bits, unsigned first) {
  if (bits <= first) return 0;
  return bits - first >= 64 ? ~std::uint64_t{0} : ~(~std::uint64_t{0} >> (bits - first));
}

Word128 number_of(const IpAddress& address) {
  const auto words = std::bit_cast<std::array<Be64, 2>>(address.bytes);
  return joined(words[0].host(), words[1].host());
}

// The length of the longest prefix that both have. An IPv4 address is the first bits of 128.
unsigned common_bits(const IpAddress& first, const IpAddress& last, unsigned most_bits) {
  const Word128 difference = number_of(first) ^ number_of(last);
  const auto high = static_cast<std::uint64_t>(difference >> 64);
  const auto low = static_cast<std::uint64_t>(difference);
  const int equal = high != 0 ? std::countl_zero(high) : 64 + std::countl_zero(low);
  return std::min(static_cast<unsigned>(equal), most_bits);
}

std::uint16_t common_mask(Be16 first, Be16 last) {
  const auto difference = static_cast<std::uint16_t>(first.host() ^ last.host());
  return static_cast<std::uint16_t>(~((1u << std::bit_width(difference)) - 1));
}

// The selector with prefixes and masks where it has ranges.
Selector covering(const PolicySpec& spec) {
  Selector selector = spec.selector;
  const SelectorRanges& ranges = spec.ranges;
  const unsigned most_bits = selector.family == Family::v6 ? kV6Bits : kV4Bits;
  if (ranges.has(kRangeSrc)) {
    selector.src_prefix_bits =
        static_cast<std::uint8_t>(common_bits(selector.src, ranges.src_last, most_bits));
  }
  if (ranges.has(kRangeDst)) {
    selector.dst_prefix_bits =
        static_cast<std::uint8_t>(common_bits(selector.dst, ranges.dst_last, most_bits));
  }
  if (ranges.has(kRangeSrcPort)) {
    selector.src_port_mask = Be16{common_mask(selector.src_port, ranges.src_port_last)};
  }
  if (ranges.has(kRangeDstPort)) {
    selector.dst_port_mask = Be16{common_mask(selector.dst_port, ranges.dst_port_last)};
  }
  return selector;
}

// Some of the ports, rather than any.
bool names_ports(std::uint16_t mask, bool has_range, Be16 first, Be16 last) {
  return mask != 0 || (has_range && (first.host() != 0 || last.host() != 0xffff));
}

bool names_ports(const Selector& covering, const SelectorRanges& ranges) {
  return names_ports(covering.src_port_mask.host(), ranges.has(kRangeSrcPort), covering.src_port,
                     ranges.src_port_last) ||
         names_ports(covering.dst_port_mask.host(), ranges.has(kRangeDstPort), covering.dst_port,
                     ranges.dst_port_last);
}

FlowWords6 mask_of(const Selector& selector, const SelectorRanges& ranges) {
  const std::uint64_t rest = (names_ports(selector, ranges) ? kHiddenPortsBit : 0) |
                             (selector.protocol != 0 ? std::uint64_t{0xff} << 32 : 0) |
                             std::uint64_t{selector.src_port_mask.host()} << 16 |
                             selector.dst_port_mask.host();
  const unsigned src_bits = selector.src_prefix_bits;
  const unsigned dst_bits = selector.dst_prefix_bits;
  switch (selector.family) {
    case Family::none:
      return {0, rest, 0, 0, 0};
    case Family::v4:
      return widened({prefix_word(src_bits, 0) | prefix_word(dst_bits, 0) >> 32, rest});
    case Family::v6:
      return {prefix_word(src_bits, 0), rest, prefix_word(src_bits, 64), prefix_word(dst_bits, 0),
              prefix_word(dst_bits, 64)};
  }
  return {};
}

FlowWords6 words_of(const Selector& selector) {
  const auto protocol = static_cast<IpProtocol>(selector.protocol);
  if (selector.family == Family::v6) {
    return words_of(FlowKey6{.src = selector.src.bytes,
                             .dst = selector.dst.bytes,
                             .src_port = selector.src_port.host(),
                             .dst_port = selector.dst_port.host(),
                             .protocol = protocol});
  }
  return widened(words_of(FlowKey{.src = host_address(selector.src.v4()),
                                  .dst = host_address(selector.dst.v4()),
                                  .src_port = selector.src_port.host(),
                                  .dst_port = selector.dst_port.host(),
                                  .protocol = protocol}));
}

// The words of one end of all ranges. Other fields get what is always right: the mask is for them.
FlowWords6 bound_of(const PolicySpec& spec, const IpAddress& src, const IpAddress& dst,
                    Be16 src_port, Be16 dst_port, std::uint8_t always) {
  IpAddress open;
  open.bytes.fill(always);
  const Be16 open_port{static_cast<std::uint16_t>(always << 8 | always)};
  const SelectorRanges& ranges = spec.ranges;
  Selector selector;
  selector.family = spec.selector.family;
  selector.src = ranges.has(kRangeSrc) ? src : open;
  selector.dst = ranges.has(kRangeDst) ? dst : open;
  selector.src_port = ranges.has(kRangeSrcPort) ? src_port : open_port;
  selector.dst_port = ranges.has(kRangeDstPort) ? dst_port : open_port;
  return words_of(selector);
}

// Do bounds leave out anything of what the mask lets through?
bool is_less_than(const FlowBounds& bounds, const FlowWords6& mask) {
  const FlowWords6& low = bounds.low;
  const FlowWords6& high = bounds.high;
  const std::uint64_t left_out_below =
      (low.source_high & ~mask.source_high) | (low.source_low & ~mask.source_low) |
      (low.destination_high & ~mask.destination_high) |
      (low.destination_low & ~mask.destination_low) | (low.rest & ~mask.rest);
  const std::uint64_t left_out_above =
      ~(high.source_high | mask.source_high) | ~(high.source_low | mask.source_low) |
      ~(high.destination_high | mask.destination_high) |
      ~(high.destination_low | mask.destination_low) | (~(high.rest | mask.rest) & kPorts);
  return (left_out_below | left_out_above) != 0;
}

bool are_forwards(const PolicySpec& spec) {
  const Selector& selector = spec.selector;
  const SelectorRanges& ranges = spec.ranges;
  return (!ranges.has(kRangeSrc) || selector.src <= ranges.src_last) &&
         (!ranges.has(kRangeDst) || selector.dst <= ranges.dst_last) &&
         (!ranges.has(kRangeSrcPort) || selector.src_port.host() <= ranges.src_port_last.host()) &&
         (!ranges.has(kRangeDstPort) || selector.dst_port.host() <= ranges.dst_port_last.host());
}

Refusal validate_selector(const PolicySpec& spec) {
  const Selector& selector = spec.selector;
  const SelectorRanges& ranges = spec.ranges;
  if (ranges.fields > kRangeAllFields) return Refusal::bad_enum;
  const bool has_address_range = ranges.has(kRangeSrc) || ranges.has(kRangeDst);
  if (selector.family == Family::none) {
    if (has_address_range) return Refusal::bad_family;
  } else if (selector.family == Family::v4 || selector.family == Family::v6) {
    const unsigned most_bits = selector.family == Family::v6 ? kV6Bits : kV4Bits;
    const bool has_src = ranges.has(kRangeSrc) || selector.src_prefix_bits <= most_bits;
    const bool has_dst = ranges.has(kRangeDst) || selector.dst_prefix_bits <= most_bits;
    if (!has_src || !has_dst) return Refusal::bad_prefix;
  } else {
    return Refusal::bad_family;
  }
  return are_forwards(spec) ? Refusal::none : Refusal::bad_range;
}

}  // namespace

bool is_within(const FlowBounds& bounds, const FlowWords& flow) {
  const auto src = [](std::uint64_t word) { return static_cast<std::uint32_t>(word >> 32); };
  const auto dst = [](std::uint64_t word) { return static_cast<std::uint32_t>(word); };
  const std::uint64_t low = bounds.low.source_high;
  const std::uint64_t high = bounds.high.source_high;
  return is_between(src(flow.addresses), src(low), src(high)) &&
         is_between(dst(flow.addresses), dst(low), dst(high)) &&
         has_ports_within(bounds, flow.rest);
}

bool is_within(const FlowBounds& bounds, const FlowWords6& flow) {
  const auto src = [](const FlowWords6& words) {
    return joined(words.source_high, words.source_low);
  };
  const auto dst = [](const FlowWords6& words) {
    return joined(words.destination_high, words.destination_low);
  };
  return is_between(src(flow), src(bounds.low), src(bounds.high)) &&
         is_between(dst(flow), dst(bounds.low), dst(bounds.high)) &&
         has_ports_within(bounds, flow.rest);
}

SelectorWords selector_words(const PolicySpec& spec) {
  const Selector covered = covering(spec);
  const SelectorRanges& ranges = spec.ranges;
  SelectorWords words;
  words.mask = mask_of(covered, ranges);
  words.match = under(words_of(covered), words.mask);
  if (spec.is_dormant != 0) {
    words.mask.rest |= kNoFlowBit;
    words.match.rest |= kNoFlowBit;
  }
  words.bounds.low = bound_of(spec, spec.selector.src, spec.selector.dst, spec.selector.src_port,
                              spec.selector.dst_port, 0);
  words.bounds.high = bound_of(spec, ranges.src_last, ranges.dst_last, ranges.src_port_last,
                               ranges.dst_port_last, 0xff);
  words.bounds.low.rest &= kPorts;
  words.bounds.high.rest &= kPorts;
  if (spec.selector.family != Family::v6) {
    words.bounds.high.source_low = kAllOnes;
    words.bounds.high.destination_high = kAllOnes;
    words.bounds.high.destination_low = kAllOnes;
  }
  words.has_ranges = is_less_than(words.bounds, words.mask);
  return words;
}

Refusal validate(const PolicySpec& spec) {
  if (spec.direction != Direction::in && spec.direction != Direction::out) return Refusal::bad_enum;
  if (spec.action < PolicyAction::protect || spec.action > PolicyAction::discard) {
    return Refusal::bad_enum;
  }
  if (const Refusal refusal = validate_selector(spec); refusal != Refusal::none) return refusal;
  if (spec.sa_count > (spec.direction == Direction::in ? 0 : kMaxPolicySas)) {
    return Refusal::bad_sa_set;
  }
  const bool is_in_range = spec.spreads <= 1 && spec.template_mode <= 2 && spec.is_dormant <= 1;
  return is_in_range ? Refusal::none : Refusal::bad_enum;
}

}  // namespace culvert
