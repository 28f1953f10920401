// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>

namespace culvert {

// The two ECN bits of an IP header (RFC 3168 5).
enum class Ecn : std::uint8_t {
  not_ect = 0b00,
  ect1 = 0b01,
  ect0 = 0b10,
  ce = 0b11,
};

// The ECN field of the packet that leaves a tunnel, or nothing when it must be dropped: congestion
// was marked outside, and inside there is nobody who could be told (RFC 6040 4.2, figure 4).
//
//               outer  Not-ECT   ECT(1)    ECT(0)    CE
//   inner Not-ECT      Not-ECT   Not-ECT   Not-ECT   drop
//         ECT(1)       ECT(1)    ECT(1)    ECT(1)    CE
//         ECT(0)       ECT(0)    ECT(1)    ECT(0)    CE
//         CE           CE        CE        CE        CE
[[nodiscard]] constexpr std::optional<Ecn> ecn_on_decapsulation(Ecn inner, Ecn outer) {
  constexpr std::array<std::array<Ecn, 4>, 4> kTable{{
      {Ecn::not_ect, Ecn::not_ect, Ecn::not_ect, Ecn::not_ect},
      {Ecn::ect1, Ecn::ect1, Ecn::ect1, Ecn::ce},
      {Ecn::ect0, Ecn::ect1, Ecn::ect0, Ecn::ce},
      {Ecn::ce, Ecn::ce, Ecn::ce, Ecn::ce},
  }};
  if (inner == Ecn::not_ect && outer == Ecn::ce) return std::nullopt;
  return kTable[static_cast<std::size_t>(inner)][static_cast<std::size_t>(outer)];
}

}  // namespace culvert
