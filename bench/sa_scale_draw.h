// SPDX-License-Identifier: BSD-3-Clause
// Which SA each packet of bench/sa_scale belongs to.
#pragma once

#include <cstdint>
#include <random>
#include <span>
#include <string_view>
#include <vector>

namespace culvert {

enum class Pattern : std::uint8_t {
  one,      // always the same, to compare with
  uniform,  // each with the same probability
  zipf,     // the k-th most popular with a probability of 1/k (Zipf, exponent 1)
};
[[nodiscard]] std::string_view name_of(Pattern pattern);

class SaDraw {
 public:
  // Of `count` SAs; which of them are popular has nothing to do with where they lie.
  SaDraw(Pattern pattern, std::uint32_t count);

  void deal(std::span<std::uint32_t> sas);

 private:
  Pattern pattern_;
  std::uint32_t count_;
  std::mt19937_64 random_{1};           // fixed: runs are alike
  std::vector<double> cumulated_;       // zipf: of the popularity ranks
  std::vector<std::uint32_t> by_rank_;  // zipf
};

}  // namespace culvert
