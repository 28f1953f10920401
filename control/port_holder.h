// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <vector>

#include "control/config.h"
#include "control/netlink/port_takeover.h"
#include "control/netlink/unique_fd.h"
#include "control/result.h"

namespace culvert {

// The port namespace with the Linux interfaces that the configuration uses as ports, for as long as
// this object lives.
class PortHolder {
 public:
  PortHolder() = default;
  PortHolder(const PortHolder&) = delete;
  PortHolder& operator=(const PortHolder&) = delete;
  // Removes the mirrors, then gives the interfaces back. culvertd must have ended.
  ~PortHolder();

  // Where no port is a Linux interface, the namespace is the caller's own and no privilege is
  // needed. On an error every interface is as it was.
  [[nodiscard]] Result<void> take(const std::vector<ConfigPort>& ports);

  [[nodiscard]] int port_namespace() const { return namespace_.get(); }

 private:
  UniqueFd namespace_;
  std::vector<TakenPort> taken_;
  std::vector<std::string> mirrors_;
};

}  // namespace culvert
