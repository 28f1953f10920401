// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <rte_mempool.h>

#include <string>

#include "dataplane/packet.h"
#include "dataplane/port.h"

namespace culvert {

// A port's image in Linux: a persistent TAP interface with the port's name, MAC and MTU. What the
// dataplane does not speak goes there, and what Linux sends there leaves by the port. The
// housekeeper's.
class Mirror {
 public:
  Mirror() = default;
  Mirror(const Mirror&) = delete;
  Mirror& operator=(const Mirror&) = delete;
  Mirror(Mirror&& other) noexcept : descriptor_(other.descriptor_) { other.descriptor_ = -1; }
  Mirror& operator=(Mirror&&) = delete;
  ~Mirror();

  // Makes the interface, or takes up the one that an earlier culvertd left, in the caller's network
  // namespace. Returns what went wrong and what to do, or an empty string.
  [[nodiscard]] std::string open(const Port& port);

  // The interface goes at the end; without this it stays, with its addresses and routes.
  void remove_at_close();

  // What Linux sees as the cable.
  void set_carrier(bool is_up) const;

  // -1 when there is none any more.
  [[nodiscard]] int descriptor() const { return descriptor_; }

  // Lets go of an interface that somebody has deleted.
  void give_up();

  // Gives a frame to Linux. False: it did not take it.
  [[nodiscard]] bool write(Packet frame) const;

  // The next frame from Linux, its checksum finished, or a null mbuf when there is none.
  [[nodiscard]] rte_mbuf* read(rte_mempool& pool) const;

 private:
  int descriptor_ = -1;
};

}  // namespace culvert
