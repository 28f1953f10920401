// SPDX-License-Identifier: BSD-3-Clause
#include "dataplane/from_linux.h"

#include "dataplane/classify.h"
#include "dataplane/net/ethernet.h"
#include "dataplane/net/ip_parse.h"

namespace culvert {

void FromLinux::operator()(std::span<Packet> frames, Lanes& lanes) {
  for (const Packet packet : frames) {
    if (packet.meta().held != 0) {
      packet.meta().held = 0;
      drops_->counters().held_out.add(1);
      esp_outbound_->resume(packet, lanes);
    } else if (packet.meta().origin != Origin::linux_) {
      esp_outbound_->send_own(packet, lanes);
    } else {
      drops_->counters().from_linux.add(1);
      frame(packet, lanes);
    }
  }
}

// IP goes through the SPD like everything else, but for IPv6 that stays on its link; what is not IP
// passes by the built-in bypass.
void FromLinux::frame(Packet packet, Lanes& lanes) {
  const auto* ethernet = packet.header<EthernetHeader>(0);
  if (ethernet == nullptr) return drops_->drop(packet, DropReason::classify_runt);
  const EtherType type = ethernet->type();
  const auto ip = packet.bytes().subspan(sizeof(EthernetHeader));
  if (type == EtherType::ipv6) {
    const Ipv6Validity validity = validate_ipv6(ip);
    if (validity != Ipv6Validity::ok) return drops_->drop(packet, reason_for(validity));
    if (stays_on_link(ip)) return esp_outbound_->bypass_frame(packet, lanes);
    return ipv6(packet, lanes);
  }
  if (type != EtherType::ipv4) return esp_outbound_->bypass_frame(packet, lanes);
  const Ipv4Validity validity = validate_ipv4(ip);
  if (validity != Ipv4Validity::ok) return drops_->drop(packet, reason_for(validity));
  packet.crop(sizeof(EthernetHeader), header_at<Ipv4Header>(ip, 0)->total_length.host());
  lanes.clear.push({packet, spd_->lookup(Direction::out, flow_of(packet.bytes()))});
}

void FromLinux::ipv6(Packet packet, Lanes& lanes) {
  const auto& header = *packet.header<Ipv6Header>(sizeof(EthernetHeader));
  packet.crop(sizeof(EthernetHeader), static_cast<std::uint32_t>(header.total_bytes()));
  const Ipv6Chain chain = walk_ipv6(packet.bytes());
  if (chain.end != Ipv6ChainEnd::upper_layer) {
    return drops_->drop(packet, DropReason::ip_in_bad_extension);
  }
  lanes.clear.push({packet, spd_->lookup(Direction::out, flow_of(packet.bytes(), chain))});
}

}  // namespace culvert
