// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <span>

// What libFuzzer, or standalone_main.cc in its place, calls with each input. Returns 0.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size);

namespace culvert::fuzz {

// Ends the run, naming the fact that did not hold; unlike assert() in every build type.
inline void require(bool holds, const char* fact) {
  if (holds) return;
  std::fprintf(stderr, "fuzz: does not hold: %s\n", fact);
  std::abort();
}

// Takes numbers from the front of the input; zeros once it is used up.
class InputReader {
 public:
  explicit InputReader(std::span<const std::byte> input) : rest_(input) {}

  std::uint64_t take(std::size_t bytes) {
    std::uint64_t value = 0;
    for (std::size_t i = 0; i < bytes; ++i) {
      std::uint64_t byte = 0;
      if (!rest_.empty()) {
        byte = std::to_integer<std::uint64_t>(rest_.front());
        rest_ = rest_.subspan(1);
      }
      value = value << 8 | byte;
    }
    return value;
  }

  [[nodiscard]] std::span<const std::byte> rest() const { return rest_; }

 private:
  std::span<const std::byte> rest_;
};

}  // namespace culvert::fuzz
