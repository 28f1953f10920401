// SPDX-License-Identifier: BSD-3-Clause
// The internet checksum against the plain sum, and what is built on it. Input: 2 bytes checksum
// offset, 2 bytes a new word, then data.
#include "dataplane/net/checksum.h"

#include <vector>

#include "tests/fuzz/fuzz.h"

using namespace culvert;
using culvert::fuzz::require;

namespace {

Be16 plain_checksum(std::span<const std::byte> data) {
  std::uint32_t sum = 0;
  for (std::size_t i = 0; i < data.size(); ++i) {
    sum += std::to_integer<std::uint32_t>(data[i]) << (i % 2 == 0 ? 8 : 0);
    sum = (sum & 0xffff) + (sum >> 16);
  }
  return Be16{static_cast<std::uint16_t>(~sum)};
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  fuzz::InputReader reader(std::as_bytes(std::span(data, size)));
  const std::size_t offset = reader.take(2);
  const Be16 new_word{static_cast<std::uint16_t>(reader.take(2))};
  std::vector<std::byte> segment(reader.rest().begin(), reader.rest().end());

  const Be16 before = internet_checksum(segment);
  require(before == plain_checksum(segment), "same as the plain sum");

  Be16* const field = mutable_header_at<Be16>(segment, offset);
  if (field != nullptr && offset % 2 == 0) {
    const Be16 updated = update_checksum(before, *field, new_word);
    *field = new_word;
    // All zeros has no checksum but 0xffff, which an update never gives (RFC 1624 3).
    if (internet_checksum(segment) != Be16{0xffff}) {
      require(updated == internet_checksum(segment), "update gives the same as from scratch");
    }
  }
  require(finish_partial_checksum(segment, offset) == (field != nullptr), "finished iff within");
  return 0;
}
