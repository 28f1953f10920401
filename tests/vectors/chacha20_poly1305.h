// SPDX-License-Identifier: BSD-3-Clause
// ChaCha20-Poly1305 for ESP: RFC 7634 appendix A, the ESP example.
#pragma once

#include "tests/vectors/esp_vector.h"

namespace culvert {

inline constexpr EspVector kChacha20Poly1305Vectors[] = {
    {"RFC 7634 appendix A", "chacha20-poly1305",
     "808182838485868788898a8b8c8d8e8f909192939495969798999a9b9c9d9e9fa0a1a2a3",
     "0102030400000005", "1011121314151617",
     "45000054a6f200004001e778c6336405c000020508005b7a3a080000553bec100007362708090a0b"
     "0c0d0e0f101112131415161718191a1b1c1d1e1f202122232425262728292a2b2c2d2e2f30313233"
     "3435363701020204",
     "24039428b97f417e3c13753a4f05087b67c352e6a7fab1b982d466ef407ae5c614ee8099d52844eb"
     "61aa95dfab4c02f72aa71e7c4c4f64c9befe2facc638e8f3cbec163fac469b502773f6fb94e664da"
     "9165b82829f641e0",
     "76aaa8266b7fb0f7b11b369907e1ad43"},
};

}  // namespace culvert
