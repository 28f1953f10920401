// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <string>

#include "control/api/protocol.h"
#include "control/sa_manager.h"

// What the API says of SAs and policies. Never a key.

namespace culvert {

// One page: `from` is a slot, `limit` a number of entries; "next" is the slot to ask for then.
[[nodiscard]] Result<Json> sa_view(const SaManager& manager, const Json& request);
[[nodiscard]] Result<Json> policy_view(const SaManager& manager, const Json& request);

// One SA, one policy, as an entry of the views.
[[nodiscard]] Json sa_entry(const SaManager& manager, const Sa& sa);
[[nodiscard]] Json policy_entry(const SaManager& manager, const Policy& policy);

// "0x00001001"
[[nodiscard]] std::string spi_text(Spi spi);
// The replay window as one hexadecimal number: bit i (worth 2^i) stands for number top - i.
[[nodiscard]] std::string bitmap_text(const std::vector<std::uint32_t>& words);

}  // namespace culvert
