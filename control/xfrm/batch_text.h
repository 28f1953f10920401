// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "control/xfrm/netlink.h"

namespace culvert::xfrm {

// Text with keys in it.
using culvert::SecretText;

// One command of a batch file, which may go over several lines.
struct BatchCommand {
  std::uint32_t line = 0;  // on which it ends, as iproute2 counts them
  std::size_t start = 0;   // its bytes in the text
  std::size_t end = 0;
};

struct BatchFault {
  std::uint32_t line = 0;  // 0: the file as a whole
  std::string message;
};

struct BatchCommands {
  std::vector<BatchCommand> taken;  // "xfrm state ..." and "xfrm policy ...", the only ones allowed
  std::vector<BatchCommand> others;
  std::vector<BatchFault> faults;  // what is wrong with each of the others
};

// The commands of a file, as `ip -batch` finds them: comments go, a backslash at the end of a line
// joins the next one.
[[nodiscard]] BatchCommands batch_commands(std::string_view text);

// Words of "xfrm state" that a key follows. A comment that has one of them counts too.
[[nodiscard]] bool holds_keys(std::string_view text);

// What iproute2 said about `command`, on one line and without a line number. Its words that are
// keys, or stand where a key or an algorithm should and may be one, are not shown: their number is.
[[nodiscard]] std::string without_keys(std::string_view said, std::string_view command);

}  // namespace culvert::xfrm
