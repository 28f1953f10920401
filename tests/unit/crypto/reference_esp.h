// SPDX-License-Identifier: BSD-3-Clause
// ESP sealed by OpenSSL, packet by packet: what every transform is compared with.
#pragma once

#include "tests/unit/crypto/crypto_test_support.h"

namespace culvert {

void reference_seal(TestPacket& packet, std::span<const std::byte> material);

}  // namespace culvert
