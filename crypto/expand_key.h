// SPDX-License-Identifier: BSD-3-Clause
// Key expansion of every transform. For crypto/ only.
#pragma once

#include <cstddef>
#include <span>

#include "crypto/esp_transform.h"

namespace culvert {

// `key` must be wiped, `material` as long as material_bytes() of the transform, which must exist.
void expand_key(IMB_MGR& manager, TransformId transform, std::span<const std::byte> material,
                ExpandedKey& key);

}  // namespace culvert
