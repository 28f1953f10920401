// SPDX-License-Identifier: BSD-3-Clause
// HMAC. The message starts in the ESP header, as nothing else stands in front of a payload without IV.
//   "RFC 2202 ...": sections 2 and 3, those cases whose keys have the length that ESP wants.
//   "RFC 4868 AUTH...": section 2.7.2, the test vectors of authentication.
#pragma once

#include "tests/vectors/esp_vector.h"

namespace culvert {

inline constexpr EspVector kHmacVectors[] = {
    {"RFC 2202 HMAC-SHA-1 case 1",
     "null+hmac-sha1-96",
     "0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b",
     "4869205468657265",
     "",
     "",
     "",
     "b617318655057264e28bc0b6"},
    {"RFC 2202 HMAC-SHA-1 case 3",
     "null+hmac-sha1-96",
     "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",
     "dddddddddddddddd",
     "",
     "dddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddd"
     "dddd",
     "dddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddd"
     "dddd",
     "125d7342b9ac11cd91a39af4"},
    {"RFC 2202 HMAC-MD5 case 1",
     "null+hmac-md5-96",
     "0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b",
     "4869205468657265",
     "",
     "",
     "",
     "9294727a3638bb1c13f48ef8"},
    {"RFC 2202 HMAC-MD5 case 3",
     "null+hmac-md5-96",
     "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",
     "dddddddddddddddd",
     "",
     "dddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddd"
     "dddd",
     "dddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddd"
     "dddd",
     "56be34521d144c88dbb8c733"},
    {"RFC 4868 AUTH256-1",
     "null+hmac-sha256-128",
     "0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b",
     "4869205468657265",
     "",
     "",
     "",
     "198a607eb44bfbc69903a0f1cf2bbdc5"},
    {"RFC 4868 AUTH256-1 cut to 96 bits",
     "null+hmac-sha256-96",
     "0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b",
     "4869205468657265",
     "",
     "",
     "",
     "198a607eb44bfbc69903a0f1"},
    {"RFC 4868 AUTH256-2",
     "null+hmac-sha256-128",
     "4a6566654a6566654a6566654a6566654a6566654a6566654a6566654a656665",
     "7768617420646f20",
     "",
     "79612077616e7420666f72206e6f7468696e673f",
     "79612077616e7420666f72206e6f7468696e673f",
     "167f928588c5cc2eef8e3093caa0e87c"},
    {"RFC 4868 AUTH384-1",
     "null+hmac-sha384-192",
     "0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b"
     "0b0b0b0b0b0b0b0b",
     "4869205468657265",
     "",
     "",
     "",
     "b6a8d5636f5c6a7224f9977dcf7ee6c7fb6d0c48cbdee973"},
    {"RFC 4868 AUTH384-2",
     "null+hmac-sha384-192",
     "4a6566654a6566654a6566654a6566654a6566654a6566654a6566654a6566654a6566654a656665"
     "4a6566654a656665",
     "7768617420646f20",
     "",
     "79612077616e7420666f72206e6f7468696e673f",
     "79612077616e7420666f72206e6f7468696e673f",
     "2c7353974f1842fd66d53c452ca42122b28c0b594cfb184d"},
    {"RFC 4868 AUTH512-1",
     "null+hmac-sha512-256",
     "0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b"
     "0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b",
     "4869205468657265",
     "",
     "",
     "",
     "637edc6e01dce7e6742a99451aae82df23da3e92439e590e43e761b33e910fb8"},
    {"RFC 4868 AUTH512-2",
     "null+hmac-sha512-256",
     "4a6566654a6566654a6566654a6566654a6566654a6566654a6566654a6566654a6566654a656665"
     "4a6566654a6566654a6566654a6566654a6566654a656665",
     "7768617420646f20",
     "",
     "79612077616e7420666f72206e6f7468696e673f",
     "79612077616e7420666f72206e6f7468696e673f",
     "cb370917ae8a7ce28cfd1d8f4705d6141c173b2a9362c15df235dfb251b15454"},
};

}  // namespace culvert
