// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "control/api/protocol.h"
#include "control/result.h"

// `culvert replay`: packets from capture files through the real dataplane, in a private pair of
// processes with one worker. Needs no privileges and touches nothing of this machine's network.

namespace culvert {

// A capture for a port: "wan=a.pcap".
struct PortCapture {
  std::string port;
  std::filesystem::path file;
};

struct ReplayOptions {
  std::filesystem::path config_file;
  std::vector<std::filesystem::path> batch_files;  // besides the configuration's
  std::vector<PortCapture> inputs;
  std::vector<PortCapture> outputs;
  std::optional<std::filesystem::path> punt_file;  // what would go to Linux
  std::uint32_t burst = 32;
  std::uint64_t seed = 1;
};

// EINVAL: not of the form PORT=FILE.
[[nodiscard]] Result<PortCapture> parse_port_capture(const std::string& text);

// Runs until all frames are through, and returns the counters: received, from_linux, originated,
// split, sent, punted, merged, held, drops, ports, sas. Nothing in it depends on the wall clock.
// Faults of the configuration are printed to standard error, each a line behind "culvert: ", before
// EINVAL is returned with an empty text.
[[nodiscard]] Result<Json> replay(const ReplayOptions& options);

}  // namespace culvert
