// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <string>

namespace culvert {

// What libbpf and libxdp have to say about an AF_XDP device. By themselves they write a dozen lines
// to standard error for each interface, also when all is well. Main thread, before workers run.

// From here on only their warnings are kept, and nothing is written. Forgets earlier ones.
void keep_xdp_messages();

// The warnings since then, on one line and not longer than a line should be; empty: none.
[[nodiscard]] std::string kept_xdp_messages();

}  // namespace culvert
