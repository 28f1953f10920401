// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <functional>
#include <string>

#include "control/netlink/unique_fd.h"
#include "control/result.h"

// Network namespaces. A network namespace belongs to a thread: what has to happen in another one
// runs on a thread of its own, so that the caller's never changes.

namespace culvert {

// The network namespace of the calling thread. It lives at least as long as the descriptor.
[[nodiscard]] Result<UniqueFd> current_network_namespace();

// Runs `function` in the network namespace `network_namespace` and returns what it returns.
// EPERM: CAP_SYS_ADMIN is missing. EINVAL, EBADF: the descriptor is no network namespace.
[[nodiscard]] Result<void> inside_network_namespace(int network_namespace,
                                                    const std::function<Result<void>()>& function);

// Creates a network namespace in which nothing answers or forwards: no IPv6 on any interface, no
// IPv4 forwarding, lo up. It lives as long as somebody holds its descriptor, has it as his own or
// has a socket in it. When it goes, veth interfaces in it are destroyed.
// EPERM: CAP_SYS_ADMIN is missing.
[[nodiscard]] Result<UniqueFd> create_port_namespace();

// Writes a file below /proc/sys/net, which shows the calling thread's namespace. `name` is the path
// behind that, for example "ipv4/ip_forward". ENOENT: no such setting. EROFS, EACCES: not writable.
[[nodiscard]] Result<void> write_network_sysctl(const std::string& name, const std::string& value);
// Its content without the line end.
[[nodiscard]] Result<std::string> read_network_sysctl(const std::string& name);

}  // namespace culvert
