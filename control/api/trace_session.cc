// SPDX-License-Identifier: BSD-3-Clause
#include "control/api/trace_session.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <limits>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>

#include "control/address_text.h"
#include "control/api/sa_views.h"
#include "dataplane/net/ip.h"
#include "dataplane/shm/drop.h"

namespace culvert {
namespace {

constexpr std::size_t kMostRecords = 8192;    // that wait for the client
constexpr std::size_t kRecordsAtOnce = 512;   // of an answer
constexpr std::chrono::seconds kPatience{5};  // with a client that does not read
constexpr std::uint32_t kMostPackets = 1'000'000;

constexpr std::array<std::string_view, kTraceStages> kStages = {
    "none",   "received", "opened",   "inbound_policy", "routed",  "outbound_policy",
    "sealed", "passed",   "to_linux", "held",           "dropped", "made_here"};

struct NamedProtocol {
  std::string_view name;
  IpProtocol protocol;
};
constexpr std::array kProtocols = {
    NamedProtocol{"icmp", IpProtocol::icmp}, NamedProtocol{"tcp", IpProtocol::tcp},
    NamedProtocol{"udp", IpProtocol::udp},   NamedProtocol{"esp", IpProtocol::esp},
    NamedProtocol{"gre", IpProtocol::gre},   NamedProtocol{"icmpv6", IpProtocol::icmpv6},
};

std::string protocol_text(std::uint8_t protocol) {
  const auto* const found = std::ranges::find(kProtocols, protocol, [](const auto& named) {
    return static_cast<std::uint8_t>(named.protocol);
  });
  return found == kProtocols.end() ? std::to_string(protocol) : std::string(found->name);
}

std::optional<std::uint8_t> protocol_of(const std::string& text) {
  const auto* const found = std::ranges::find(kProtocols, text, &NamedProtocol::name);
  if (found != kProtocols.end()) return static_cast<std::uint8_t>(found->protocol);
  const bool is_number = !text.empty() && text.size() <= 3 &&
                         std::ranges::all_of(text, [](char c) { return c >= '0' && c <= '9'; });
  const unsigned long number = is_number ? std::stoul(text) : 0;
  if (number == 0 || number > 255) return std::nullopt;
  return static_cast<std::uint8_t>(number);
}

std::string action_text(PolicyAction action) {
  switch (action) {
    case PolicyAction::protect:
      return "protect";
    case PolicyAction::bypass:
      return "bypass";
    case PolicyAction::discard:
      return "discard";
    case PolicyAction::none:
      break;
  }
  return "none";
}

std::string hex(std::span<const std::byte> bytes) {
  constexpr std::string_view kDigits = "0123456789abcdef";
  std::string text;
  text.reserve(2 * bytes.size());
  for (const std::byte byte : bytes) {
    text += kDigits[std::to_integer<unsigned>(byte) >> 4];
    text += kDigits[std::to_integer<unsigned>(byte) & 15];
  }
  return text;
}

Result<void> take_prefix(const Json& request, const char* key, TraceFilter& filter,
                         std::uint8_t& bits, IpAddress& address) {
  const auto text = request.find(key);
  if (text == request.end()) return {};
  const auto prefix = text->is_string() ? parse_prefix(text->get<std::string>()) : std::nullopt;
  if (!prefix) {
    return Error{EINVAL, fmt::format("{} {}: must be an address or a prefix, such as 10.1.0.0/24",
                                     key, text->dump())};
  }
  if (filter.family != Family::none && filter.family != prefix->family) {
    return Error{EINVAL, "src and dst are of two families"};
  }
  filter.family = prefix->family;
  bits = prefix->prefix_bits;
  address = prefix->address;
  return {};
}

template <typename Number>
Result<void> take_number(const Json& request, const char* key, Number& number) {
  const auto value = request.find(key);
  if (value == request.end()) return {};
  const bool is_natural = value->is_number_integer() && *value >= 0;
  if (!is_natural || value->get<std::uint64_t>() > std::numeric_limits<Number>::max()) {
    return Error{EINVAL, fmt::format("{} {}: must be 0 to {}", key, value->dump(),
                                     std::numeric_limits<Number>::max())};
  }
  number = value->get<Number>();
  return {};
}

}  // namespace

Result<TraceFilter> trace_filter(const Json& request) {
  TraceFilter filter;
  Result<void> done = take_prefix(request, "src", filter, filter.src_prefix_bits, filter.src);
  if (done) done = take_prefix(request, "dst", filter, filter.dst_prefix_bits, filter.dst);
  if (done) done = take_number(request, "sport", filter.src_port);
  if (done) done = take_number(request, "dport", filter.dst_port);
  if (done) done = take_number(request, "spi", filter.spi);
  if (done) done = take_number(request, "count", filter.packets);
  if (!done) return done.error();
  if (const auto text = request.find("protocol"); text != request.end()) {
    const auto protocol = text->is_string() ? protocol_of(text->get<std::string>()) : std::nullopt;
    if (!protocol) {
      return Error{EINVAL, fmt::format("protocol {}: must be 1 to 255, icmp, icmpv6, tcp, udp, esp "
                                       "or gre",
                                       text->dump())};
    }
    filter.protocol = *protocol;
  }
  if (filter.packets == 0 || filter.packets > kMostPackets) {
    return Error{EINVAL, fmt::format("count: must be 1 to {}", kMostPackets)};
  }
  filter.is_both_ways = request.value("both", false) ? 1 : 0;
  filter.wants_bytes = request.value("bytes", false) ? 1 : 0;
  return filter;
}

TraceSession::TraceSession(Regions& regions, RequestChannel& channel, const SaManager& manager,
                           const Config& config)
    : regions_(regions),
      channel_(channel),
      manager_(manager),
      config_(config),
      ring_(regions.state().trace_records, regions.state().trace_produced,
            regions.requests().trace_consumed),
      last_trace_(regions.requests().trace.generation) {}

Result<void> TraceSession::push(const TraceFilter& filter) {
  regions_.requests().trace = filter;
  const auto sequence = channel_.push({.op = RequestOp::trace, .generation = filter.generation});
  if (!sequence) return sequence.error();
  const auto refused = channel_.finish(*sequence);
  if (!refused) return refused.error();
  if (!refused->empty()) return refusal_error(refused->front().refusal);
  return {};
}

Result<void> TraceSession::turn_off() {
  trace_ = 0;
  records_.clear();
  return push(TraceFilter{});
}

Result<Json> TraceSession::answer(const Json& request) {
  const std::string action = request.value("do", "");
  if (action == "start") return start(request);
  if (action != "read" && action != "stop") {
    return Error{EINVAL, "\"do\" must be start, read or stop"};
  }
  if (trace_ == 0 || request.value("trace", 0u) != trace_) {
    return Error{ENOENT, "this trace is over"};
  }
  if (action == "read") return read();
  if (const auto off = turn_off(); !off) return off.error();
  return Json::object();
}

Result<Json> TraceSession::start(const Json& request) {
  if (trace_ != 0) return Error{EBUSY, "another trace is on; there is one at a time"};
  auto filter = trace_filter(request);
  if (!filter) return filter.error();
  if (++last_trace_ == 0) ++last_trace_;
  filter->generation = last_trace_;
  lost_ = 0;
  lost_before_ = regions_.state().trace_lost.load(std::memory_order_relaxed);
  if (const auto pushed = push(*filter); !pushed) return pushed.error();
  trace_ = last_trace_;
  read_at_ = Clock::now();
  return Json{{"trace", trace_}};
}

Result<Json> TraceSession::read() {
  take_in();
  read_at_ = Clock::now();
  Json list = Json::array();
  while (!records_.empty() && list.size() < kRecordsAtOnce) {
    list.push_back(std::move(records_.front()));
    records_.pop_front();
  }
  const std::uint64_t lost =
      lost_ + regions_.state().trace_lost.load(std::memory_order_relaxed) - lost_before_;
  return Json{{"records", std::move(list)}, {"lost", lost}};
}

void TraceSession::poll(Clock::time_point now) {
  take_in();
  if (trace_ != 0 && now - read_at_ > kPatience) static_cast<void>(turn_off());
}

// Bounded: a dataplane gone mad keeps control from nothing else.
void TraceSession::take_in() {
  TraceRecord record;
  for (std::size_t i = 0; i < kTraceSlots && ring_.pop(record); ++i) {
    if (trace_ == 0 || record.generation != trace_) continue;
    if (records_.size() == kMostRecords) {
      ++lost_;
    } else {
      records_.push_back(json_of(record));
    }
  }
}

void TraceSession::add_sa(std::uint32_t index, Json& json) const {
  const auto sa = index == kNoSa.raw() ? std::nullopt : manager_.sa_at(SaIndex{index});
  if (!sa) return;
  json["sa"] = {{"index", index},
                {"spi", spi_text(sa->id.spi)},
                {"src", address_text(sa->id.family, sa->src)},
                {"dst", address_text(sa->id.family, sa->id.dst)},
                {"reqid", sa->reqid}};
}

// Nothing in a record is trusted to be on its list.
Json TraceSession::json_of(const TraceRecord& record) const {
  const auto stage = static_cast<std::size_t>(record.stage);
  Json json = {{"packet", fmt::format("{}.{}", record.worker, record.packet)},
               {"time_ns", record.time_ns},
               {"stage", stage < kStages.size() ? kStages[stage] : "unknown"}};
  const auto port_name = [this](std::uint16_t port) {
    return port < config_.ports.size() ? config_.ports[port].name : std::string("?");
  };
  switch (record.stage) {
    case TraceStage::received:
    case TraceStage::routed:
    case TraceStage::sealed:
    case TraceStage::passed:
    case TraceStage::to_linux:
    case TraceStage::held:
    case TraceStage::made_here:
      json["port"] = port_name(record.port);
      break;
    case TraceStage::none:
    case TraceStage::opened:
    case TraceStage::inbound_policy:
    case TraceStage::outbound_policy:
    case TraceStage::dropped:
      break;
  }
  if (record.stage == TraceStage::routed) {
    const bool is_on_link = record.next_hop == IpAddress{};
    json["next_hop"] =
        is_on_link ? Json() : Json(address_text(record.next_hop_family, record.next_hop));
  }
  if (record.stage == TraceStage::inbound_policy || record.stage == TraceStage::outbound_policy) {
    json["action"] = action_text(record.action);
    json["policy"] = record.policy == kNoTracePolicy ? Json() : Json(record.policy);
  }
  if (record.family != Family::none) {
    json["src"] = address_text(record.family, record.src);
    json["dst"] = address_text(record.family, record.dst);
    json["protocol"] = protocol_text(record.protocol);
    json["sport"] = record.src_port;
    json["dport"] = record.dst_port;
    json["length"] = record.length;
  }
  if (record.spi != 0) {
    json["spi"] = spi_text(Spi{record.spi});
    json["sequence"] = record.sequence;
  }
  add_sa(record.sa_index, json);
  if (record.stage == TraceStage::dropped) {
    json["drop"] = record.drop < kDropInfo.size() ? kDropInfo[record.drop].name : "unknown";
    json["help"] = record.drop < kDropInfo.size() ? kDropInfo[record.drop].help : "";
  }
  if (record.bytes != 0) {
    json["side"] = record.side == TraceSide::wire ? "wire" : "clear";
    json["bytes"] =
        hex(std::span(record.data).first(std::min<std::size_t>(record.bytes, kTraceBytes)));
  }
  return json;
}

}  // namespace culvert
