// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>

#include "dataplane/net/types.h"
#include "dataplane/shm/trace.h"

namespace culvert {

// What a trace looks at in an IP packet.
struct TracedHeader {
  Family family = Family::none;
  std::uint8_t protocol = 0;
  std::uint16_t src_port = 0;
  std::uint16_t dst_port = 0;
  IpAddress src;
  IpAddress dst;
  std::uint32_t length = 0;
  bool is_esp = false;  // also within UDP (RFC 3948)
  std::uint32_t spi = 0;
  std::uint32_t sequence = 0;
};

// `packet` starts at the IP header and may be anything.
[[nodiscard]] std::optional<TracedHeader> traced_header(std::span<const std::byte> packet);

// Does the filter want this packet? Whatever it says of an SPI is compared with `spi`.
[[nodiscard]] bool matches(const TraceFilter& filter, const TracedHeader& header,
                           std::uint32_t spi);

// Whether a filter that control wrote means anything.
[[nodiscard]] Refusal check_trace_filter(const TraceFilter& filter);

}  // namespace culvert
