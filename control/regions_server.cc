// SPDX-License-Identifier: BSD-3-Clause
#include "control/regions_server.h"

#include <fmt/format.h>
#include <spdlog/spdlog.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <span>
#include <utility>

#include "crypto/key.h"

namespace culvert {

Result<int> listen_at(const std::filesystem::path& path, unsigned mode) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  const std::string name = path.string();
  if (name.size() >= sizeof address.sun_path) {
    return Error{ENAMETOOLONG, fmt::format("{}: {} bytes, a unix socket's path has at most {}",
                                           name, name.size(), sizeof address.sun_path - 1)};
  }
  std::memcpy(address.sun_path, name.data(), name.size());
  const int descriptor = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
  if (descriptor < 0) {
    return Error{errno, fmt::format("socket: {}", std::generic_category().message(errno))};
  }
  unlink(name.c_str());
  const mode_t old_mask = umask(0777);  // nobody connects before the mode is set
  const int bound = bind(descriptor, reinterpret_cast<const sockaddr*>(&address), sizeof address);
  const int code = errno;
  umask(old_mask);
  if (bound != 0 || chmod(name.c_str(), mode) != 0 || listen(descriptor, 64) != 0) {
    const int shown_code = bound != 0 ? code : errno;
    close(descriptor);
    return Error{shown_code, fmt::format("cannot listen at {}: {}", name,
                                         std::generic_category().message(shown_code))};
  }
  return descriptor;
}

RegionsServer::RegionsServer(EventLoop& loop, const Descriptors& descriptors,
                             std::filesystem::path path)
    : loop_(loop), descriptors_(descriptors), path_(std::move(path)) {
  void* memory = mmap(nullptr, sizeof(StateHead), PROT_READ, MAP_SHARED,
                      descriptor_of(descriptors_, Descriptor::state), 0);
  if (memory != MAP_FAILED) state_ = static_cast<const StateHead*>(memory);
}

RegionsServer::~RegionsServer() {
  if (listener_ >= 0) {
    loop_.unwatch(listener_);
    close(listener_);
    unlink(path_.c_str());
  }
  if (state_ != nullptr) munmap(const_cast<StateHead*>(state_), sizeof(StateHead));
  for (const int descriptor : descriptors_) {
    if (descriptor >= 0) close(descriptor);
  }
}

Result<void> RegionsServer::open() {
  if (state_ == nullptr) return Error{ENOMEM, "cannot map the state region"};
  const Result<int> listener = listen_at(path_, 0600);
  if (!listener) return listener.error();
  listener_ = *listener;
  loop_.watch(listener_, EPOLLIN, [this](std::uint32_t) { accept_one(); });
  return {};
}

void RegionsServer::accept_one() {
  const int connection = accept4(listener_, nullptr, nullptr, SOCK_CLOEXEC);
  if (connection < 0) return;
  ucred peer{};
  socklen_t length = sizeof peer;
  const bool is_known = getsockopt(connection, SOL_SOCKET, SO_PEERCRED, &peer, &length) == 0;
  if (!is_known || (peer.uid != 0 && peer.uid != geteuid())) {
    spdlog::warn("process {} of user {} asked for the regions: refused", peer.pid, peer.uid);
  } else if (const std::string error = send_descriptors(connection, descriptors_); !error.empty()) {
    spdlog::warn("{}", error);
  }
  close(connection);
}

DataplanePhase RegionsServer::phase() const {
  return state_->status.phase.load(std::memory_order_acquire);
}

void RegionsServer::wipe_keys() {
  const int descriptor = descriptor_of(descriptors_, Descriptor::keys);
  struct stat status {};
  if (fstat(descriptor, &status) != 0) return;
  const auto bytes = static_cast<std::size_t>(status.st_size);
  void* memory = mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_SHARED, descriptor, 0);
  if (memory == MAP_FAILED) return;
  // Only what was ever written: wiping a hole would allocate it.
  off_t data = 0;
  while ((data = lseek(descriptor, data, SEEK_DATA)) >= 0) {
    const off_t hole = lseek(descriptor, data, SEEK_HOLE);
    const auto end = hole < 0 ? bytes : static_cast<std::size_t>(hole);
    wipe({static_cast<std::byte*>(memory) + data, end - static_cast<std::size_t>(data)});
    data = static_cast<off_t>(end);
  }
  munmap(memory, bytes);
}

}  // namespace culvert
