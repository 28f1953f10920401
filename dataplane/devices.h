// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <rte_mempool.h>

#include <span>
#include <string>
#include <vector>

#include "dataplane/port.h"
#include "dataplane/rx.h"
#include "dataplane/shm/layout.h"

namespace culvert {

// Opens the ethdev behind each configured port and sets its queues up; `ports` are filled in. Linux
// interfaces are opened by AF_XDP, else AF_PACKET, in the caller's network namespace. Ports stay
// stopped. Returns what is wrong with which port and what to do, or an empty string.
[[nodiscard]] std::string open_devices(const StartConfig& start, rte_mempool& pool,
                                       std::span<Port> ports, std::span<PortStatus> statuses);

// From here on frames come in and go out.
[[nodiscard]] std::string start_devices(std::span<const Port> ports);
void close_devices(std::span<const Port> ports);

// Deals receive queues to workers, ports first, so that two ports of one queue each load two
// workers.
[[nodiscard]] std::vector<std::vector<Rx::Queue>> deal_queues(std::span<const Port> ports,
                                                              std::uint32_t workers);

}  // namespace culvert
