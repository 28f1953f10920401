// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <string>

#include "control/api/protocol.h"
#include "control/config.h"
#include "control/dataplane_client.h"
#include "dataplane/shm/regions.h"

// What the API says of ports, workers and packets. Everything is copied out of the state region,
// which the dataplane writes.

namespace culvert {

// [{"name":"wan","device":"wan0","driver":"net_af_packet","mac":...,"rx_packets":N,...}]
[[nodiscard]] Json ports_view(const Config& config, const DataplaneView& dataplane,
                              const StateHead& state);
// Every reason with its help, packets in all and per worker; the housekeeper is the last.
[[nodiscard]] Json drops_view(const DataplaneView& dataplane, const StateHead& state);
[[nodiscard]] Json workers_view(const Config& config, const DataplaneView& dataplane,
                                const StateHead& state);
// The terms of received + from_linux + originated + split = sent + punted + drops + merged + held.
// "stable" says whether no counter moved while they were read: then both sides must be equal.
[[nodiscard]] Json balance_view(const StateHead& state);
// Packets that were split or put together, and what ICMP told of path MTUs.
[[nodiscard]] Json fragments_view(const StateHead& state);
[[nodiscard]] Json version_view(const std::string& instance, const DataplaneView& dataplane);

[[nodiscard]] std::string phase_name(DataplanePhase phase);

}  // namespace culvert
