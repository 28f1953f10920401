// SPDX-License-Identifier: BSD-3-Clause
#include "dataplane/new_sockets.h"

#include <sys/socket.h>

#include <algorithm>
#include <charconv>
#include <filesystem>
#include <iterator>
#include <string>
#include <system_error>

namespace culvert {
namespace {

bool is_of_domain(int descriptor, int domain) {
  int actual = 0;
  socklen_t bytes = sizeof actual;
  return getsockopt(descriptor, SOL_SOCKET, SO_DOMAIN, &actual, &bytes) == 0 && actual == domain;
}

std::vector<int> sockets_of(int domain) {
  std::vector<int> found;
  std::error_code error;
  std::filesystem::directory_iterator entry("/proc/self/fd", error);
  for (; !error && entry != std::filesystem::directory_iterator(); entry.increment(error)) {
    const std::string name = entry->path().filename();
    int descriptor = -1;
    std::from_chars(name.data(), name.data() + name.size(), descriptor);
    if (is_of_domain(descriptor, domain)) found.push_back(descriptor);
  }
  std::ranges::sort(found);
  return found;
}

}  // namespace

NewSockets::NewSockets(int domain) : domain_(domain), before_(sockets_of(domain)) {}

std::vector<int> NewSockets::opened() const {
  std::vector<int> result;
  std::ranges::set_difference(sockets_of(domain_), before_, std::back_inserter(result));
  return result;
}

}  // namespace culvert
