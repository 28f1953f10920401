// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <cstdint>

#include "dataplane/packet.h"
#include "dataplane/sa.h"

namespace culvert {

// Makes an empty buffer a dummy (RFC 4303 2.6) for this outbound SA: an IP packet between its ends
// of next header 59, of a random length of those whose sealed form fits into `mtu` and the buffer.
// In tunnel mode nobody looks at it, in transport mode its header stays in front.
void make_dummy(Packet packet, const Sa& sa, std::uint32_t mtu);

}  // namespace culvert
