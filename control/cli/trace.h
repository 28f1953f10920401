// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

#include "control/api/protocol.h"

namespace culvert {

// One step of a packet, as a sentence: "opened by SA 0x00001002 of 192.0.2.2, sequence 17".
[[nodiscard]] std::string trace_step(const Json& record);
// The same as a line, with time and packet before it.
[[nodiscard]] std::string trace_line(const Json& record);

// What "0x45a1" without the 0x stands for; empty where it is no such thing.
[[nodiscard]] std::vector<std::byte> bytes_of_hex(std::string_view text);

}  // namespace culvert
