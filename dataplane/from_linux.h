// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <span>

#include "dataplane/esp_outbound.h"
#include "dataplane/lanes.h"

namespace culvert {

// What the housekeeper passes to a worker: frames that Linux sent through a mirror, which leave by
// the mirror's port if the SPD lets them, frames whose neighbour has become known, and what SAs are
// to send by themselves.
class FromLinux {
 public:
  FromLinux(const Spd& spd, EspOutbound& esp_outbound, DropSink& drops)
      : spd_(&spd), esp_outbound_(&esp_outbound), drops_(&drops) {}

  // -> lanes clear, wire.
  void operator()(std::span<Packet> frames, Lanes& lanes);

 private:
  void frame(Packet packet, Lanes& lanes);
  void ipv6(Packet packet, Lanes& lanes);

  const Spd* spd_;
  EspOutbound* esp_outbound_;
  DropSink* drops_;
};

}  // namespace culvert
