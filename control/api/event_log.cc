// SPDX-License-Identifier: BSD-3-Clause
#include "control/api/event_log.h"

#include <fmt/chrono.h>
#include <fmt/format.h>
#include <time.h>

#include "control/address_text.h"
#include "control/api/paging.h"

namespace culvert {
namespace {

constexpr std::uint64_t kNsPerSecond = 1'000'000'000;

std::uint64_t now_ns() {
  timespec now{};
  clock_gettime(CLOCK_REALTIME, &now);
  return static_cast<std::uint64_t>(now.tv_sec) * kNsPerSecond +
         static_cast<std::uint64_t>(now.tv_nsec);
}

// RFC 3339, UTC, with milliseconds.
std::string time_text(std::uint64_t time_ns) {
  const auto seconds = static_cast<std::time_t>(time_ns / kNsPerSecond);
  return fmt::format("{:%Y-%m-%dT%H:%M:%S}.{:03}Z", fmt::gmtime(seconds),
                     time_ns % kNsPerSecond / 1'000'000);
}

std::string spi_text(std::uint32_t spi) {
  return fmt::format("{:#010x}", spi);
}

// The dataplane's numbers are not trusted to be on the list.
std::string_view reason_name(std::uint32_t reason) {
  return reason < kDropInfo.size() ? kDropInfo[reason].name : "unknown";
}

void describe(const Sa& sa, Json& event) {
  event["spi"] = spi_text(sa.id.spi.raw());
  event["src"] = address_text(sa.id.family, sa.src);
  event["dst"] = address_text(sa.id.family, sa.id.dst);
  event["reqid"] = sa.reqid;
}

}  // namespace

Json& EventLog::append(std::string_view name, std::uint64_t time_ns) {
  if (events_.size() == kKept) events_.pop_front();
  return events_.emplace_back(
      Json{{"number", next_number_++}, {"time", time_text(time_ns)}, {"event", name}});
}

// The dataplane's numbers are not trusted to be those of ports.
std::string EventLog::port_name(std::uint32_t port) const {
  return port < ports_.size() ? ports_[port] : std::to_string(port);
}

void EventLog::add(const Event& event) {
  switch (event.type) {
    case EventType::audit: {
      if (!audits_) return;
      Json& entry = append("audit", event.time_ns);
      entry["reason"] = reason_name(event.value & 0xff);
      entry["spi"] = spi_text(event.spi);
      entry["sequence"] = event.sequence;
      entry["src"] = address_text(event.family, event.address);
      entry["dst"] = address_text(event.family, event.peer);
      if (event.family == Family::v6) entry["flow_label"] = event.value >> 8;
      if (event.port != 0) entry["kept_back"] = event.port;
      return;
    }
    case EventType::link_change: {
      Json& entry = append("link", event.time_ns);
      entry["port"] = port_name(event.port);
      entry["is_up"] = event.value != 0;
      return;
    }
    case EventType::none:
    case EventType::neighbor_wanted:
    case EventType::neighbor_in_use:
    case EventType::sa_soft_limit:
    case EventType::sa_hard_limit:
    case EventType::peer_moved:
      return;
  }
}

void EventLog::on_sa_expired(const Sa& sa, SaExpiry expiry) {
  describe(sa, append(expiry == SaExpiry::hard ? "sa_hard_limit" : "sa_soft_limit", now_ns()));
}

void EventLog::on_sa_peer_moved(const Sa& sa, const PeerEndpoint& peer) {
  Json& entry = append("peer_moved", now_ns());
  describe(sa, entry);
  entry["new_src"] = address_text(sa.id.family, peer.address);
  entry["new_src_port"] = peer.port.host();
}

Result<Json> EventLog::view(const Json& request) const {
  const auto page = page_of(request);
  if (!page) return page.error();
  Json list = Json::array();
  std::uint64_t next = next_number_;
  for (const Json& event : events_) {
    const auto number = event["number"].get<std::uint64_t>();
    if (number < page->from) continue;
    if (list.size() == page->limit) {
      next = number;
      break;
    }
    list.push_back(event);
  }
  return Json{{"events", std::move(list)}, {"next", next}};
}

}  // namespace culvert
