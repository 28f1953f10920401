// SPDX-License-Identifier: BSD-3-Clause
#include "dataplane/xdp_messages.h"

#include <bpf/libbpf.h>
#include <xdp/libxdp.h>

#include <algorithm>
#include <array>
#include <cstdarg>
#include <cstdio>

namespace culvert {
namespace {

constexpr std::size_t kLongestBytes = 400;
std::string kept;

void keep(const char* format, va_list arguments) {
  std::array<char, 256> line{};
  if (std::vsnprintf(line.data(), line.size(), format, arguments) <= 0) return;
  std::string text = line.data();
  while (!text.empty() && text.back() == '\n') text.pop_back();
  std::replace(text.begin(), text.end(), '\n', ' ');
  if (kept.size() + text.size() > kLongestBytes) return;
  if (!kept.empty()) kept += "; ";
  kept += text;
}

int keep_of_libbpf(libbpf_print_level level, const char* format, va_list arguments) {
  if (level == LIBBPF_WARN) keep(format, arguments);
  return 0;
}

int keep_of_libxdp(libxdp_print_level level, const char* format, va_list arguments) {
  if (level == LIBXDP_WARN) keep(format, arguments);
  return 0;
}

}  // namespace

void keep_xdp_messages() {
  kept.clear();
  libbpf_set_print(keep_of_libbpf);
  libxdp_set_print(keep_of_libxdp);
}

std::string kept_xdp_messages() {
  return kept;
}

}  // namespace culvert
