// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <cstdint>

#include "dataplane/flow_key.h"
#include "dataplane/shm/messages.h"

namespace culvert {

struct Net {
  std::uint32_t address = 0;  // host byte order
  std::uint8_t bits = 0;
};

// A policy that protects `src` to `dst` on the way out.
inline PolicySpec policy_for(Net src, Net dst, std::uint32_t priority = 0) {
  PolicySpec spec;
  spec.generation = 1;
  spec.direction = Direction::out;
  spec.action = PolicyAction::protect;
  spec.priority = priority;
  spec.selector.family = Family::v4;
  spec.selector.src = IpAddress::v4(Be32{src.address});
  spec.selector.src_prefix_bits = src.bits;
  spec.selector.dst = IpAddress::v4(Be32{dst.address});
  spec.selector.dst_prefix_bits = dst.bits;
  return spec;
}

inline FlowWords flow(std::uint32_t src, std::uint32_t dst, IpProtocol protocol = IpProtocol::udp,
                      std::uint16_t src_port = 0, std::uint16_t dst_port = 0) {
  return words_of({Ipv4Address{src}, Ipv4Address{dst}, src_port, dst_port, protocol});
}

// 2001:db8:`high`::`low`.
inline Ipv6Address ip6(std::uint16_t high, std::uint16_t low) {
  Ipv6Address address{0x20, 0x01, 0x0d, 0xb8};
  address[4] = static_cast<std::uint8_t>(high >> 8);
  address[5] = static_cast<std::uint8_t>(high);
  address[14] = static_cast<std::uint8_t>(low >> 8);
  address[15] = static_cast<std::uint8_t>(low);
  return address;
}

struct Net6 {
  Ipv6Address address{};
  std::uint8_t bits = 0;
};

inline PolicySpec policy6_for(const Net6& src, const Net6& dst, std::uint32_t priority = 0) {
  PolicySpec spec = policy_for(Net{}, Net{}, priority);
  spec.selector.family = Family::v6;
  spec.selector.src = {src.address};
  spec.selector.src_prefix_bits = src.bits;
  spec.selector.dst = {dst.address};
  spec.selector.dst_prefix_bits = dst.bits;
  return spec;
}

inline FlowWords6 flow(const Ipv6Address& src, const Ipv6Address& dst,
                       IpProtocol protocol = IpProtocol::udp, std::uint16_t src_port = 0,
                       std::uint16_t dst_port = 0) {
  return words_of(FlowKey6{src, dst, src_port, dst_port, protocol});
}

}  // namespace culvert
