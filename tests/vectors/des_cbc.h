// SPDX-License-Identifier: BSD-3-Clause
// DES-CBC: the CBC example of FIPS 81. With one key three times over 3DES is DES. Neither RFC 2405
// nor RFC 2451 has packets; 3DES with three keys is judged by OpenSSL (reference_esp.cc).
#pragma once

#include "tests/vectors/esp_vector.h"

namespace culvert {

inline constexpr EspVector kDesCbcVectors[] = {
    {"FIPS 81 CBC", "des-cbc+none", "0123456789abcdef", "0000000000000000", "1234567890abcdef",
     "4e6f77206973207468652074696d6520666f7220616c6c20",
     "e5c7cdde872bf27c43e934008c389c0f683788499a7c05f6", ""},
    {"FIPS 81 CBC by 3DES", "3des-cbc+none", "0123456789abcdef0123456789abcdef0123456789abcdef",
     "0000000000000000", "1234567890abcdef", "4e6f77206973207468652074696d6520666f7220616c6c20",
     "e5c7cdde872bf27c43e934008c389c0f683788499a7c05f6", ""},
};

}  // namespace culvert
