// SPDX-License-Identifier: BSD-3-Clause
// Batches of SAs as a client of the API may write them. What is taken is an SA whose fields are all
// known; a record that is read again reads as the same.
#include "control/api/sa_batch.h"

#include <array>

#include "control/sa_algorithms.h"
#include "tests/fuzz/fuzz.h"

using namespace culvert;
using culvert::fuzz::require;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  static constexpr std::array kNamed{TransformId::aes128_gcm16, TransformId::chacha20_poly1305,
                                     TransformId{21}};
  const auto batch = std::as_bytes(std::span(data, size));
  SaBatchReader reader(batch, kNamed, SaOrigin::automatic);
  SaBatchReader again(batch, kNamed, SaOrigin::automatic);
  while (!reader.is_at_end()) {
    const auto read = reader.read();
    const auto read_again = again.read();
    require(read.has_value() == read_again.has_value(), "a batch reads always alike");
    require(!reader.name().empty(), "a record has a name, whatever is wrong");
    if (!read) {
      require(!read.error().message.empty(), "a fault is named");
      break;
    }
    require(reader.sa() == again.sa(), "with the same SA");
    require(constant_time_equal(reader.key().bytes(), again.key().bytes()), "and the same key");
    if (reader.op() == SaBatchOp::remove) continue;
    require(transform_of(reader.sa()).has_value(), "its transform is one there is");
    require(reader.key().size_bytes() <= kMaxKeyBytes, "its key fits into its slot");
  }
  return 0;
}
