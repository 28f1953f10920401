// SPDX-License-Identifier: BSD-3-Clause
// clamp_mss. Input: two bytes of what an MSS may be at most, then a TCP segment.
#include <algorithm>
#include <vector>

#include "dataplane/mss_clamp.h"
#include "dataplane/net/checksum.h"
#include "dataplane/net/tcp.h"
#include "tests/fuzz/fuzz.h"

using namespace culvert;
using culvert::fuzz::require;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  fuzz::InputReader reader(std::as_bytes(std::span(data, size)));
  const auto most_bytes = static_cast<std::uint16_t>(reader.take(2));
  std::vector<std::byte> segment(reader.rest().begin(), reader.rest().end());
  if (auto* tcp = mutable_header_at<TcpHeader>(segment, 0); tcp != nullptr) {
    tcp->checksum = Be16{};
    tcp->checksum = internet_checksum(segment);
  }
  const std::vector<std::byte> before = segment;
  const bool was_lowered = clamp_mss(segment, most_bytes);
  if (!was_lowered) {
    require(segment == before, "nothing changed");
    return 0;
  }
  const TcpHeader tcp = *header_at<TcpHeader>(segment, 0);
  require(tcp.is_syn(), "a SYN");
  require(internet_checksum(segment) == Be16{}, "the checksum is right");
  const std::size_t header_bytes = tcp.header_length_bytes();
  require(std::ranges::equal(std::span(segment).subspan(header_bytes),
                             std::span(before).subspan(header_bytes)),
          "the payload is the same");
  require(std::ranges::equal(std::span(segment).first(16), std::span(before).first(16)),
          "so is the header up to its checksum");
  require(!clamp_mss(segment, most_bytes), "once is enough");
  return 0;
}
