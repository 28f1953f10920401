// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <array>
#include <cstddef>
#include <span>
#include <string>

#include "dataplane/shm/layout.h"

// Mapping the three regions, and handing their descriptors over a unix socket.

namespace culvert {

// The descriptors that a supervisor hands to culvertd and culvert-control, in the order they
// travel.
enum class Descriptor : std::size_t {
  requests = 0,
  keys = 1,
  state = 2,
  request_bell = 3,    // eventfd: control pushed requests
  state_bell = 4,      // eventfd: the dataplane pushed completions or events
  port_namespace = 5,  // network namespace that holds the Linux interfaces used as ports
};
inline constexpr std::size_t kDescriptors = 6;
using Descriptors = std::array<int, kDescriptors>;
constexpr int descriptor_of(const Descriptors& descriptors, Descriptor which) {
  return descriptors[static_cast<std::size_t>(which)];
}

enum class Side { control, dataplane };

// The three regions in this process's memory. Unmapped on destruction. Mapped memory is excluded
// from core dumps (MADV_DONTDUMP); keys are locked in memory where RLIMIT_MEMLOCK allows.
class Regions {
 public:
  Regions() = default;
  Regions(const Regions&) = delete;
  Regions& operator=(const Regions&) = delete;
  ~Regions();

  // Maps the regions: `control` writes requests and keys, `dataplane` writes state; the rest is
  // read-only. Checks magic, version, sizes, seals and the instance number. On failure returns what
  // is wrong, what was found and what is allowed; empty when all is well.
  [[nodiscard]] std::string attach(const Descriptors& descriptors, Side side);

  [[nodiscard]] const RegionSizes& sizes() const { return sizes_; }
  [[nodiscard]] RequestsHead& requests() const { return *requests_; }
  [[nodiscard]] StateHead& state() const { return *state_; }
  [[nodiscard]] std::span<SaSpec> sa_specs() const { return sa_specs_; }
  [[nodiscard]] std::span<PolicySpec> policy_specs() const { return policy_specs_; }
  [[nodiscard]] std::span<SaNote> sa_notes() const { return sa_notes_; }
  [[nodiscard]] std::span<PolicyNote> policy_notes() const { return policy_notes_; }
  [[nodiscard]] std::span<KeySlot> keys() const { return keys_; }
  [[nodiscard]] std::span<SaState> sa_states() const { return sa_states_; }
  [[nodiscard]] std::span<PolicyState> policy_states() const { return policy_states_; }
  [[nodiscard]] std::span<std::atomic<std::uint64_t>> windows() const { return windows_; }

 private:
  struct Mapping {
    std::byte* base = nullptr;
    std::size_t bytes = 0;
  };
  enum class Access { read_only, read_write };
  [[nodiscard]] std::string map(int descriptor, const char* name, std::uint64_t magic,
                                std::uint32_t head_bytes, Access access, Mapping& mapping);
  void unmap();

  std::array<Mapping, 3> mappings_{};
  RegionSizes sizes_{};
  RequestsHead* requests_ = nullptr;
  StateHead* state_ = nullptr;
  std::span<SaSpec> sa_specs_;
  std::span<PolicySpec> policy_specs_;
  std::span<SaNote> sa_notes_;
  std::span<PolicyNote> policy_notes_;
  std::span<KeySlot> keys_;
  std::span<SaState> sa_states_;
  std::span<PolicyState> policy_states_;
  std::span<std::atomic<std::uint64_t>> windows_;
};

// Creates the three sealed memfds and both eventfds for `start`; the port namespace is left -1.
// Returns what went wrong, or an empty string. All descriptors are close-on-exec.
[[nodiscard]] std::string create_regions(const RegionSizes& sizes, const StartConfig& start,
                                         Descriptors& descriptors);

// Sends all descriptors over a connected unix stream socket, as one byte with SCM_RIGHTS.
[[nodiscard]] std::string send_descriptors(int socket, const Descriptors& descriptors);

// Connects to the supervisor's socket at `path` and receives the descriptors.
[[nodiscard]] std::string receive_descriptors(const std::string& path, Descriptors& descriptors);

}  // namespace culvert
