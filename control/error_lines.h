// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace culvert {

// The faults of an error's message, which has each on a line of its own.
inline std::vector<std::string> error_lines(std::string_view message) {
  std::vector<std::string> lines;
  while (true) {
    const std::size_t end = message.find('\n');
    lines.emplace_back(message.substr(0, end));
    if (end == std::string_view::npos) return lines;
    message.remove_prefix(end + 1);
  }
}

}  // namespace culvert
