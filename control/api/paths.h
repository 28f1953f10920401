// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <filesystem>
#include <string>
#include <string_view>

#include "control/result.h"

// Where a running instance keeps its sockets.

namespace culvert {

inline constexpr std::string_view kDefaultInstance = "default";
inline constexpr std::string_view kApiSocket = "api.sock";
inline constexpr std::string_view kRegionsSocket = "regions.sock";
inline constexpr std::string_view kXfrmSocket = "xfrm.sock";

inline constexpr const char* kRuntimeDirVariable = "CULVERT_RUNTIME_DIR";

// The directory of all instances: CULVERT_RUNTIME_DIR, else /run/culvert.
[[nodiscard]] std::filesystem::path runtime_dir();

// EINVAL: `instance` is not 1 to 31 letters, digits, '_' or '-'.
[[nodiscard]] Result<std::filesystem::path> instance_dir(std::string_view instance);

}  // namespace culvert
