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
    } else {
      drops_->counters().from_linux.add(1);
      frame(packet, lanes);
    }
  }
}

// IPv4 goes through the SPD like everything else; of IPv6 only what never leaves the link may pass,
// and what is not IP passes by the built-in bypass.
void FromLinux::frame(Packet packet, Lanes& lanes) {
  const auto* ethernet = packet.header<EthernetHeader>(0);
  if (ethernet == nullptr) return drops_->drop(packet, DropReason::classify_runt);
  const EtherType type = ethernet->type();
  if (type == EtherType::ipv6) {
    const auto reason = why_not_link_local(packet.bytes().subspan(sizeof(EthernetHeader)));
    if (reason) return drops_->drop(packet, *reason);
    return esp_outbound_->bypass_frame(packet, lanes);
  }
  if (type != EtherType::ipv4) return esp_outbound_->bypass_frame(packet, lanes);
  packet.pull_front(sizeof(EthernetHeader));
  const Ipv4Validity validity = validate_ipv4(packet.bytes());
  if (validity != Ipv4Validity::ok) return drops_->drop(packet, reason_for(validity));
  packet.truncate(packet.header<Ipv4Header>(0)->total_length.host());
  lanes.clear.push({packet, spd_->lookup(Direction::out, flow_of(packet.bytes()))});
}

}  // namespace culvert
