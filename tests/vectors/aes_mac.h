// SPDX-License-Identifier: BSD-3-Clause
// AES-XCBC-MAC-96 and AES-CMAC-96. The message starts in the ESP header.
//   "RFC 3566 case N": section 4.6, the cases of 16 to 34 bytes, cut to 96 bits.
//   "RFC 4493, N bytes": section 4, cut to 96 bits (RFC 4494 3).
#pragma once

#include "tests/vectors/esp_vector.h"

namespace culvert {

inline constexpr EspVector kAesMacVectors[] = {
    {"RFC 3566 case 3",
     "null+aes-xcbc-96",
     "000102030405060708090a0b0c0d0e0f",
     "0001020304050607",
     "",
     "08090a0b0c0d0e0f",
     "08090a0b0c0d0e0f",
     "d2a246fa349b68a79998a439"},
    {"RFC 3566 case 4",
     "null+aes-xcbc-96",
     "000102030405060708090a0b0c0d0e0f",
     "0001020304050607",
     "",
     "08090a0b0c0d0e0f10111213",
     "08090a0b0c0d0e0f10111213",
     "47f51b4564966215b8985c63"},
    {"RFC 3566 case 5",
     "null+aes-xcbc-96",
     "000102030405060708090a0b0c0d0e0f",
     "0001020304050607",
     "",
     "08090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f",
     "08090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f",
     "f54f0ec8d2b9f3d36807734b"},
    {"RFC 3566 case 6",
     "null+aes-xcbc-96",
     "000102030405060708090a0b0c0d0e0f",
     "0001020304050607",
     "",
     "08090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f2021",
     "08090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f2021",
     "becbb3bccdb518a30677d548"},
    {"RFC 4493, 16 bytes",
     "null+aes-cmac-96",
     "2b7e151628aed2a6abf7158809cf4f3c",
     "6bc1bee22e409f96",
     "",
     "e93d7e117393172a",
     "e93d7e117393172a",
     "070a16b46b4d4144f79bdd9d"},
    {"RFC 4493, 40 bytes",
     "null+aes-cmac-96",
     "2b7e151628aed2a6abf7158809cf4f3c",
     "6bc1bee22e409f96",
     "",
     "e93d7e117393172aae2d8a571e03ac9c9eb76fac45af8e5130c81c46a35ce411",
     "e93d7e117393172aae2d8a571e03ac9c9eb76fac45af8e5130c81c46a35ce411",
     "dfa66747de9ae63030ca3261"},
    {"RFC 4493, 64 bytes",
     "null+aes-cmac-96",
     "2b7e151628aed2a6abf7158809cf4f3c",
     "6bc1bee22e409f96",
     "",
     "e93d7e117393172aae2d8a571e03ac9c9eb76fac45af8e5130c81c46a35ce411e5fbc1191a0a52ef"
     "f69f2445df4f9b17ad2b417be66c3710",
     "e93d7e117393172aae2d8a571e03ac9c9eb76fac45af8e5130c81c46a35ce411e5fbc1191a0a52ef"
     "f69f2445df4f9b17ad2b417be66c3710",
     "51f0bebf7e3b9d92fc497417"},
};

}  // namespace culvert
