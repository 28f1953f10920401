// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <vector>

#include "crypto/esp_transform.h"
#include "dataplane/net/types.h"
#include "dataplane/sa.h"

namespace culvert {

// Finds the high half of a sender's sequence numbers again after 2^32 packets or more were lost
// (RFC 4303 A3): when many packets in a row were not authentic, one of a burst is tried with the
// next higher halves too. Opening spoils a packet, so a copy is taken before. A flood of forged
// packets costs one copy and kTries openings a burst. One per worker.
class EsnResync {
 public:
  static constexpr std::uint32_t kTrigger = 64;  // refused packets in a row
  static constexpr std::uint32_t kTries = 4;     // halves above the one that seems right

  explicit EsnResync(Engine& engine);

  [[nodiscard]] static bool is_wanted(const Sa& sa) {
    return sa.has_esn() && sa.state->refused_in_a_row.load(std::memory_order_relaxed) >= kTrigger;
  }

  // Copies what the job is about to open.
  void keep(const CryptoJob& job, const Sa& sa);

  // Tries what was kept, whose job was refused under this number. The number under which it is
  // authentic; the packet is opened then.
  [[nodiscard]] std::optional<SeqNum> try_again(CryptoJob& job, const Sa& sa, SeqNum refused);

 private:
  Engine* engine_;
  std::vector<std::byte> copy_;
};

// Counts for EsnResync what became of an SA's packets in a burst.
inline void note_verdicts(const Sa& sa, std::uint32_t refused, bool is_any_authentic) {
  if (!sa.has_esn()) return;
  // Relaxed: with several workers it is a rough count.
  std::atomic<std::uint32_t>& in_a_row = sa.state->refused_in_a_row;
  if (!is_any_authentic) {
    in_a_row.fetch_add(refused, std::memory_order_relaxed);
  } else if (in_a_row.load(std::memory_order_relaxed) != 0) {
    in_a_row.store(0, std::memory_order_relaxed);
  }
}

}  // namespace culvert
