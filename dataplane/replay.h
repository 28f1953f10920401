// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <atomic>
#include <cstdint>
#include <string>
#include <vector>

#include "dataplane/dataplane.h"
#include "dataplane/shm/regions.h"

namespace culvert {

// The captures of one replay.
struct ReplayFiles {
  struct PortFile {
    std::string port;
    std::string file;
  };
  std::vector<PortFile> in;
  std::vector<PortFile> out;
  std::string punt;  // empty: nowhere
  std::uint64_t burst = 32;
  std::uint64_t seed = 0;
};

// Sends the frames of captures through the real dataplane, merged by capture time (ties by port
// order), which is the only clock. Starts after control's first commit, ends when every frame has
// come to its end, then waits for `stop` so that counters can be read. The same call writes the
// same bytes, whatever the burst. Returns what went wrong, or an empty string.
[[nodiscard]] std::string run_replay(Dataplane& dataplane, const ReplayFiles& files,
                                     const Descriptors& descriptors, const std::atomic<bool>& stop);

}  // namespace culvert
