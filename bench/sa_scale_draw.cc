// SPDX-License-Identifier: BSD-3-Clause
#include "bench/sa_scale_draw.h"

#include <algorithm>
#include <numeric>

namespace culvert {

std::string_view name_of(Pattern pattern) {
  switch (pattern) {
    case Pattern::one:
      return "one";
    case Pattern::uniform:
      return "uniform";
    case Pattern::zipf:
      return "zipf";
  }
  return "";
}

SaDraw::SaDraw(Pattern pattern, std::uint32_t count) : pattern_(pattern), count_(count) {
  if (pattern != Pattern::zipf) return;
  cumulated_.resize(count);
  double sum = 0;
  for (std::uint32_t rank = 0; rank < count; ++rank) cumulated_[rank] = sum += 1.0 / (rank + 1.0);
  by_rank_.resize(count);
  std::iota(by_rank_.begin(), by_rank_.end(), 0u);
  std::shuffle(by_rank_.begin(), by_rank_.end(), random_);
}

void SaDraw::deal(std::span<std::uint32_t> sas) {
  std::uniform_int_distribution<std::uint32_t> any(0, count_ - 1);
  switch (pattern_) {
    case Pattern::one:
      std::ranges::fill(sas, 0u);
      return;
    case Pattern::uniform:
      for (std::uint32_t& sa : sas) sa = any(random_);
      return;
    case Pattern::zipf: {
      std::uniform_real_distribution<double> share(0, cumulated_.back());
      for (std::uint32_t& sa : sas) {
        const auto rank = std::ranges::upper_bound(cumulated_, share(random_));
        sa = by_rank_[static_cast<std::size_t>(rank - cumulated_.begin()) % count_];
      }
      return;
    }
  }
}

}  // namespace culvert
