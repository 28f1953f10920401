// SPDX-License-Identifier: BSD-3-Clause
#include "control/policy_text.h"

#include <fmt/format.h>
#include <netinet/in.h>

#include <array>
#include <utility>

#include "control/address_text.h"

namespace culvert {
namespace {

std::string addresses_text(Family family, const IpAddress& first, std::uint8_t bits,
                           const IpAddress& last, bool is_range) {
  if (is_range) return address_text(family, first) + "-" + address_text(family, last);
  return prefix_text(family, first, bits);
}

std::string ports_text(Be16 first, Be16 mask, Be16 last, bool is_range) {
  if (is_range) return fmt::format("{}-{}", first.host(), last.host());
  if (mask.host() == 0) return "any";
  if (mask.host() == 0xffff) return std::to_string(first.host());
  return fmt::format("{}/0x{:x}", first.host(), mask.host());
}

std::string_view action_text(const Policy& policy) {
  if (policy.verdict == PolicyVerdict::block) return "discard";
  return policy.templates.empty() ? "bypass" : "protect";
}

std::string end_text(const Template& wanted, const IpAddress& address) {
  return address == IpAddress{} ? "any" : address_text(wanted.family, address);
}

}  // namespace

std::string_view direction_text(PolicyDirection direction) {
  switch (direction) {
    case PolicyDirection::in:
      return "in";
    case PolicyDirection::out:
      return "out";
    case PolicyDirection::fwd:
      return "fwd";
  }
  return "unknown";
}

std::string source_text(const Selector& selector, const SelectorRanges& ranges) {
  return addresses_text(selector.family, selector.src, selector.src_prefix_bits, ranges.src_last,
                        ranges.has(kRangeSrc));
}

std::string destination_text(const Selector& selector, const SelectorRanges& ranges) {
  return addresses_text(selector.family, selector.dst, selector.dst_prefix_bits, ranges.dst_last,
                        ranges.has(kRangeDst));
}

std::string source_port_text(const Selector& selector, const SelectorRanges& ranges) {
  return ports_text(selector.src_port, selector.src_port_mask, ranges.src_port_last,
                    ranges.has(kRangeSrcPort));
}

std::string destination_port_text(const Selector& selector, const SelectorRanges& ranges) {
  return ports_text(selector.dst_port, selector.dst_port_mask, ranges.dst_port_last,
                    ranges.has(kRangeDstPort));
}

std::string protocol_text(std::uint8_t protocol) {
  switch (protocol) {
    case 0:
      return "any";
    case IPPROTO_ICMP:
      return "icmp";
    case IPPROTO_TCP:
      return "tcp";
    case IPPROTO_UDP:
      return "udp";
    case IPPROTO_DCCP:
      return "dccp";
    case IPPROTO_GRE:
      return "gre";
    case IPPROTO_ESP:
      return "esp";
    case IPPROTO_ICMPV6:
      return "icmpv6";
    case IPPROTO_SCTP:
      return "sctp";
    case IPPROTO_UDPLITE:
      return "udplite";
    default:
      return std::to_string(protocol);
  }
}

bool is_icmp(std::uint8_t protocol) {
  return protocol == IPPROTO_ICMP || protocol == IPPROTO_ICMPV6;
}

std::string policy_name_text(const Policy& policy) {
  const Selector& selector = policy.selector;
  std::string text =
      fmt::format("policy {} from {} to {} {}", direction_text(policy.direction),
                  source_text(selector, policy.ranges), destination_text(selector, policy.ranges),
                  protocol_text(selector.protocol));
  const std::string source = source_port_text(selector, policy.ranges);
  const std::string destination = destination_port_text(selector, policy.ranges);
  if (source == "any" && destination == "any") return text;
  return text + (is_icmp(selector.protocol) ? fmt::format(" type {} code {}", source, destination)
                                            : fmt::format(" ports {} to {}", source, destination));
}

std::string policy_text(const Policy& policy) {
  std::string text = fmt::format("{}: {}, priority {}", policy_name_text(policy),
                                 action_text(policy), policy.priority);
  for (const Template& wanted : policy.templates) {
    text += fmt::format(", {} {} to {} reqid {}{}",
                        wanted.mode == XfrmMode::transport ? "transport" : "tunnel",
                        end_text(wanted, wanted.src), end_text(wanted, wanted.dst), wanted.reqid,
                        wanted.is_optional ? " optional" : "");
  }
  return policy.spreads ? text + ", spread" : text;
}

}  // namespace culvert
