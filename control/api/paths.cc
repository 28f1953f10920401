// SPDX-License-Identifier: BSD-3-Clause
#include "control/api/paths.h"

#include <fmt/format.h>

#include <algorithm>
#include <cctype>
#include <cerrno>
#include <cstdlib>

namespace culvert {
namespace {

constexpr std::size_t kLongestInstance = 31;

}  // namespace

std::filesystem::path runtime_dir() {
  const char* folder = std::getenv(kRuntimeDirVariable);
  return folder == nullptr || *folder == '\0' ? "/run/culvert" : folder;
}

Result<std::filesystem::path> instance_dir(std::string_view instance) {
  const bool is_plain = std::all_of(instance.begin(), instance.end(), [](unsigned char letter) {
    return std::isalnum(letter) != 0 || letter == '_' || letter == '-';
  });
  if (instance.empty() || instance.size() > kLongestInstance || !is_plain) {
    return Error{EINVAL, fmt::format("instance \"{}\": must be 1 to {} letters, digits, '_' or '-'",
                                     instance, kLongestInstance)};
  }
  return runtime_dir() / instance;
}

}  // namespace culvert
