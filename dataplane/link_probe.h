// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <array>
#include <string_view>

namespace culvert {

// Whether a Linux interface has a carrier. DPDK's drivers over such interfaces say "up" whatever
// happens. For one thread.
class LinkProbe {
 public:
  // Never says that a link is down.
  LinkProbe() = default;
  // Of an interface in the network namespace of the calling thread, wherever it is asked later.
  explicit LinkProbe(std::string_view interface);
  LinkProbe(const LinkProbe&) = delete;
  LinkProbe& operator=(const LinkProbe&) = delete;
  LinkProbe(LinkProbe&& other) noexcept;
  LinkProbe& operator=(LinkProbe&& other) noexcept;
  ~LinkProbe();

  // False too where nobody can tell.
  [[nodiscard]] bool is_down() const;

 private:
  int socket_ = -1;
  std::array<char, 16> interface_{};  // zero-terminated
};

}  // namespace culvert
