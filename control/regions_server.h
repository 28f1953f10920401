// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <filesystem>
#include <memory>
#include <string>

#include "control/event_loop.h"
#include "control/result.h"
#include "dataplane/shm/regions.h"

namespace culvert {

// Holds the descriptors of the three regions, and hands them to culvertd and culvert-control over a
// unix socket: to root and to this process's own user, nobody else.
class RegionsServer {
 public:
  // `descriptors` become this object's, which closes them. `path` is removed at the end.
  RegionsServer(EventLoop& loop, const Descriptors& descriptors, std::filesystem::path path);
  ~RegionsServer();
  RegionsServer(const RegionsServer&) = delete;
  RegionsServer& operator=(const RegionsServer&) = delete;

  // Starts to listen.
  [[nodiscard]] Result<void> open();

  // What the dataplane says of itself in the state region.
  [[nodiscard]] DataplanePhase phase() const;

  // Overwrites all keys. To be called when both processes have ended.
  void wipe_keys();

 private:
  void accept_one();

  EventLoop& loop_;
  Descriptors descriptors_;
  std::filesystem::path path_;
  int listener_ = -1;
  const StateHead* state_ = nullptr;  // mapped read-only
};

// A listening unix stream socket, non-blocking. An old socket file at `path` is replaced.
[[nodiscard]] Result<int> listen_at(const std::filesystem::path& path, unsigned mode);

}  // namespace culvert
