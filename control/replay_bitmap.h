// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <atomic>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "dataplane/shm/layout.h"

namespace culvert {

// The replay window that an inbound SA's slots in shared memory hold, as RFC 4303 3.4.3 draws it:
// bit i % 32 of word i / 32 says that number top - i was accepted. As many bits as the window has;
// empty where the state makes no sense. `windows` is the region's array, for windows above 64.
// Packets that arrive meanwhile may be in it or not.
[[nodiscard]] std::vector<std::uint32_t> read_replay_bitmap(
    const SaState& state, std::span<const std::atomic<std::uint64_t>> windows);

// The bitmap as one hexadecimal number, its lowest bit the top: "00000007".
[[nodiscard]] std::string bitmap_text(std::span<const std::uint32_t> bitmap);

}  // namespace culvert
