// SPDX-License-Identifier: BSD-3-Clause
#include "tests/unit/crypto/crypto_test_support.h"

namespace culvert {

Bytes TestPacket::aad() {
  Bytes aad(kHeaderBytes + esn_high_.size());
  std::copy_n(header().begin(), 4, aad.begin());
  std::ranges::copy(esn_high_, aad.begin() + 4);
  std::copy_n(header().begin() + 4, 4, aad.end() - 4);
  return aad;
}

void TestPacket::set_aad(std::span<const std::byte> aad) {
  std::ranges::copy(aad.first(4), header().begin());
  std::ranges::copy(aad.last(4), header().begin() + 4);
  set_esn_high(aad.subspan(4, aad.size() - kHeaderBytes));
}

}  // namespace culvert
