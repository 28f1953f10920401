// SPDX-License-Identifier: BSD-3-Clause
#include "control/cli/trace.h"

#include <fmt/chrono.h>
#include <fmt/format.h>

#include <ctime>

namespace culvert {
namespace {

constexpr std::uint64_t kNsPerSecond = 1'000'000'000;

// "10.1.0.2 > 10.2.0.2 icmp 8/0, 84 bytes"
std::string packet_text(const Json& record) {
  if (!record.contains("src")) return {};
  const std::string protocol = record.value("protocol", "");
  const auto sport = record.value("sport", 0u);
  const auto dport = record.value("dport", 0u);
  std::string ports;
  if (protocol == "icmp" || protocol == "icmpv6") {
    ports = fmt::format(" type {} code {}", sport, dport);
  } else if (sport != 0 || dport != 0) {
    ports = fmt::format(" {} > {}", sport, dport);
  }
  return fmt::format("{} > {} {}{}, {} bytes", record.value("src", ""), record.value("dst", ""),
                     protocol, ports, record.value("length", 0u));
}

std::string esp_text(const Json& record) {
  if (!record.contains("spi")) return {};
  return fmt::format(", SPI {} sequence {}", record.value("spi", ""),
                     record.value("sequence", std::uint64_t{0}));
}

std::string sa_text(const Json& record) {
  const Json sa = record.value("sa", Json::object());
  if (sa.empty()) return {};
  return fmt::format("SA {} ({} to {}, reqid {})", sa.value("index", 0u), sa.value("src", ""),
                     sa.value("dst", ""), sa.value("reqid", 0u));
}

std::string policy_text(const Json& record, std::string_view direction) {
  const Json policy = record.value("policy", Json());
  if (policy.is_null()) return fmt::format("{} policy: none matches", direction);
  return fmt::format("{} policy {}: {}", direction, policy.dump(), record.value("action", ""));
}

}  // namespace

std::string trace_step(const Json& record) {
  const std::string stage = record.value("stage", "");
  const std::string port = record.value("port", "");
  if (stage == "received") {
    return fmt::format("received by {}: {}{}", port, packet_text(record), esp_text(record));
  }
  if (stage == "made_here") {
    return fmt::format("sent by Linux or made here, on {}: {}", port, packet_text(record));
  }
  if (stage == "opened") {
    return fmt::format("opened by {}{}, in the replay window, ICV right: {}", sa_text(record),
                       esp_text(record), packet_text(record));
  }
  if (stage == "inbound_policy") return policy_text(record, "inbound");
  if (stage == "outbound_policy") return policy_text(record, "outbound");
  if (stage == "routed") {
    const Json via = record.value("next_hop", Json());
    return via.is_null() ? fmt::format("routed to {}, on the link", port)
                         : fmt::format("routed to {} by {}", via.get<std::string>(), port);
  }
  if (stage == "sealed") {
    return fmt::format("sealed by {}{}; sent by {}: {}", sa_text(record), esp_text(record), port,
                       packet_text(record));
  }
  if (stage == "passed") return fmt::format("sent by {} in clear: {}", port, packet_text(record));
  if (stage == "to_linux") return fmt::format("to Linux, by the mirror {}", port);
  if (stage == "held") return fmt::format("waits for a next hop of {}", port);
  if (stage == "dropped") {
    const std::string sa = sa_text(record);
    return fmt::format("dropped, {}: {}{}", record.value("drop", ""), record.value("help", ""),
                       sa.empty() ? "" : "; " + sa);
  }
  return stage;
}

std::string trace_line(const Json& record) {
  const auto time_ns = record.value("time_ns", std::uint64_t{0});
  const auto seconds = static_cast<std::time_t>(time_ns / kNsPerSecond);
  return fmt::format("{:%H:%M:%S}.{:06}  {:<8}  {}", fmt::gmtime(seconds),
                     time_ns % kNsPerSecond / 1000, record.value("packet", ""), trace_step(record));
}

std::vector<std::byte> bytes_of_hex(std::string_view text) {
  const auto digit = [](char c) -> unsigned {
    if (c >= '0' && c <= '9') return static_cast<unsigned>(c - '0');
    if (c >= 'a' && c <= 'f') return static_cast<unsigned>(c - 'a' + 10);
    return 16;
  };
  std::vector<std::byte> bytes;
  if (text.size() % 2 != 0) return {};
  for (std::size_t i = 0; i < text.size(); i += 2) {
    const unsigned high = digit(text[i]);
    const unsigned low = digit(text[i + 1]);
    if (high > 15 || low > 15) return {};
    bytes.push_back(std::byte(high << 4 | low));
  }
  return bytes;
}

}  // namespace culvert
