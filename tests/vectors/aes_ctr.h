// SPDX-License-Identifier: BSD-3-Clause
// AES-CTR for ESP: RFC 3686 section 6, by its numbers. The key is followed by the nonce.
#pragma once

#include "tests/vectors/esp_vector.h"

namespace culvert {

inline constexpr EspVector kAesCtrVectors[] = {
    {"RFC 3686 #1", "aes128-ctr+none", "ae6852f8121067cc4bf7a5765577f39e00000030",
     "0000000000000000", "0000000000000000", "53696e676c6520626c6f636b206d7367",
     "e4095d4fb7a7b3792d6175a3261311b8", ""},
    {"RFC 3686 #2", "aes128-ctr+none", "7e24067817fae0d743d6ce1f32539163006cb6db",
     "0000000000000000", "c0543b59da48d90b",
     "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f",
     "5104a106168a72d9790d41ee8edad388eb2e1efc46da57c8fce630df9141be28", ""},
    {"RFC 3686 #3", "aes128-ctr+none", "7691be035e5020a8ac6e618529f9a0dc00e0017b",
     "0000000000000000", "27777f3f4a1786f0",
     "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f20212223",
     "c1cf48a89f2ffdd9cf4652e9efdb72d74540a42bde6d7836d59a5ceaaef3105325b2072f", ""},
    {"RFC 3686 #4", "aes192-ctr+none", "16af5b145fc9f579c175f93e3bfb0eed863d06ccfdb7851500000048",
     "0000000000000000", "36733c147d6d93cb", "53696e676c6520626c6f636b206d7367",
     "4b55384fe259c9c84e7935a003cbe928", ""},
    {"RFC 3686 #7", "aes256-ctr+none",
     "776beff2851db06f4c8a0542c8696f6c6a81af1eec96b4d37fc1d689e6c1c10400000060",
     "0000000000000000", "db5672c97aa8f0b2", "53696e676c6520626c6f636b206d7367",
     "145ad01dbf824ec7560863dc71e3e0c0", ""},
};

}  // namespace culvert
