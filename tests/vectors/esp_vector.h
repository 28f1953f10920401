// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <string_view>

namespace culvert {

// A packet in the clear and sealed. Numbers are hexadecimal.
struct EspVector {
  std::string_view name;
  std::string_view transform;
  std::string_view material;  // cipher key, salt, integrity key
  std::string_view aad;       // SPI, sequence number
  std::string_view iv;
  std::string_view plaintext;
  std::string_view ciphertext;
  std::string_view icv;
};

}  // namespace culvert
