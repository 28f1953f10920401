// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <cstdint>

namespace culvert {

// The DF bit of an outer IPv4 header (RFC 4301 8.1): as in the inner one, or always the same.
enum class DfBit : std::uint8_t { copy, set, clear };

}  // namespace culvert
