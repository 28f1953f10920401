// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <random>
#include <span>

#include "dataplane/shm/regions.h"
#include "dataplane/shm/ring.h"

namespace culvert {

// SAs, and policies, that the storm must leave alone: [0, outbound) and [first_inbound,
// first_inbound + inbound). They are in force under `generation`.
struct Untouched {
  std::uint32_t outbound = 0;
  std::uint32_t first_inbound = 0;
  std::uint32_t inbound = 0;
  std::uint32_t generation = 0;

  [[nodiscard]] bool has(std::uint32_t index) const {
    return index < outbound || (index >= first_inbound && index < first_inbound + inbound);
  }
};

// Plays a control that has gone mad, or is an attacker's: writes anything into the regions that are
// control's. It asks for no change of what is untouched, which control has the right to, and writes
// over what lies there all the same. The same seed, the same storm.
class HostileControl {
 public:
  HostileControl(Regions& regions, const Untouched& sas, const Untouched& policies,
                 std::uint64_t seed);

  // Does one thing at random.
  void strike();
  // Makes the indices of the rings right again, as far as that is for control to do.
  void calm();
  // Reads what the dataplane answered.
  void hear();

  [[nodiscard]] std::span<const std::uint64_t> refusals() const { return refusals_; }
  [[nodiscard]] std::size_t kinds_of_refusal() const;
  [[nodiscard]] std::uint64_t answers() const { return answers_; }

 private:
  [[nodiscard]] std::uint64_t below(std::uint64_t limit) { return random_() % limit; }
  [[nodiscard]] bool one_in(std::uint64_t count) { return below(count) == 0; }
  // Small numbers, edges, and anything.
  [[nodiscard]] std::uint64_t odd_number();
  [[nodiscard]] std::uint32_t slot(std::size_t slots);
  template <typename T>
  void scribble(T& value);
  template <typename T>
  void change_bytes(T& value);
  void ask(Request request);
  [[nodiscard]] Request tamed(Request request) const;

  void ask_for_sa();
  void ask_for_policy();
  void ask_about_network();
  void ask_for_hops();
  void ask_for_trace();
  void ask_anything();
  void write_over_tables();
  void write_over_head();
  void write_indices();

  Regions& regions_;
  Untouched sas_;
  Untouched policies_;
  std::mt19937_64 random_;
  std::uint64_t heard_ = 0;
  std::uint64_t answers_ = 0;
  std::array<std::uint64_t, kRefusalText.size()> refusals_{};
};

}  // namespace culvert
