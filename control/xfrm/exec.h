// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <string>
#include <vector>

#include "control/result.h"

namespace culvert::xfrm {

// The preload library: CULVERT_PRELOAD where it is set, else beside this program in its
// installation
// (../lib/culvert) or build directory. ENOENT: it is nowhere.
[[nodiscard]] Result<std::string> find_preload_library();

// The value of LD_PRELOAD with `library` behind what is there already.
[[nodiscard]] std::string with_preload(const std::string& library);

// Replaces this process by `arguments` (a command found as the shell would, and its arguments),
// with its XFRM netlink sockets led to the server at `socket_path`. Returns only when that fails,
// with a sentence for people: no library, no server, no such command. Limit: the system ignores the
// library in setuid programs and for users who gain capabilities by the program's file; statically
// linked programs do not load it. They speak to the kernel.
struct ExecFault {
  Error error;
  bool is_of_command = false;  // the command is not there, or is none; nothing of culvert's
};
[[nodiscard]] ExecFault exec_with_xfrm(const std::string& socket_path,
                                       const std::vector<std::string>& arguments);

}  // namespace culvert::xfrm
