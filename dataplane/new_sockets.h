// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <vector>

namespace culvert {

// The sockets of one domain (AF_PACKET, AF_XDP) that this process has opened since this was made.
// DPDK's drivers for Linux interfaces receive from sockets, but do not tell which.
class NewSockets {
 public:
  explicit NewSockets(int domain);

  // In ascending order; it is the order of opening if none was closed in between. Empty too when
  // /proc cannot be read.
  [[nodiscard]] std::vector<int> opened() const;

 private:
  int domain_;
  std::vector<int> before_;  // ascending
};

}  // namespace culvert
