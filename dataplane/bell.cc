// SPDX-License-Identifier: BSD-3-Clause
#include "dataplane/bell.h"

#include <sys/eventfd.h>
#include <unistd.h>

#include <cstdint>

namespace culvert {

Bell::~Bell() {
  if (descriptor_ >= 0) close(descriptor_);
}

bool Bell::open() {
  descriptor_ = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
  return descriptor_ >= 0;
}

void Bell::ring() const {
  const std::uint64_t one = 1;
  static_cast<void>(!write(descriptor_, &one, sizeof one));
}

void Bell::wait(std::span<pollfd> waits, const timespec* longest) const {
  waits.front() = {.fd = descriptor_, .events = POLLIN, .revents = 0};
  // Ended by a signal it says nothing about what is ready.
  if (ppoll(waits.data(), waits.size(), longest, nullptr) < 0) {
    for (pollfd& wait : waits) wait.revents = 0;
  }
  if (waits.front().revents != 0) {
    std::uint64_t rung = 0;
    static_cast<void>(!read(descriptor_, &rung, sizeof rung));
  }
}

}  // namespace culvert
