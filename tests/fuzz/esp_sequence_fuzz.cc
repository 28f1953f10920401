// SPDX-License-Identifier: BSD-3-Clause
// RFC 4303 A2 inference against its definition. Input: 4 bytes from the wire, 8 bytes top, 2 bytes
// window - 1.
#include "dataplane/net/esp.h"
#include "tests/fuzz/fuzz.h"

using namespace culvert;
using culvert::fuzz::require;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  fuzz::InputReader reader(std::as_bytes(std::span(data, size)));
  const auto wire_low = static_cast<std::uint32_t>(reader.take(4));
  const SeqNum top{reader.take(8)};
  const auto window = static_cast<std::uint32_t>(reader.take(2)) + 1;

  const SeqNum inferred = infer_sequence(wire_low, top, window);
  require(wire_sequence(inferred).host() == wire_low, "the low half is the wire's");
  const std::uint64_t left = top.raw() >= window ? top.raw() - window + 1 : 0;
  constexpr std::uint64_t kSubspace = std::uint64_t{1} << 32;
  if (left <= ~std::uint64_t{0} - kSubspace) {
    require(inferred.raw() >= left, "not left of the window");
    require(inferred.raw() - left < kSubspace, "the first such number");
  }
  return 0;
}
