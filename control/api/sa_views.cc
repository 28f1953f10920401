// SPDX-License-Identifier: BSD-3-Clause
#include "control/api/sa_views.h"

#include <fmt/format.h>
#include <netinet/in.h>
#include <time.h>

#include <algorithm>
#include <iterator>

#include "control/address_text.h"
#include "control/api/paging.h"
#include "control/policy_text.h"
#include "control/sa_algorithms.h"
#include "dataplane/shm/esp_overhead.h"

namespace culvert {
namespace {

std::uint64_t now_seconds() {
  return static_cast<std::uint64_t>(time(nullptr));
}

// Seconds since `then`; null when it never was.
Json seconds_since(std::uint64_t then_ns) {
  if (then_ns == 0) return nullptr;
  const std::uint64_t then = then_ns / 1'000'000'000;
  const std::uint64_t now = now_seconds();
  return now < then ? 0 : now - then;
}

std::string mode_name(XfrmMode mode) {
  switch (mode) {
    case XfrmMode::transport:
      return "transport";
    case XfrmMode::tunnel:
      return "tunnel";
    case XfrmMode::route_optimization:
      return "ro";
    case XfrmMode::in_trigger:
      return "in_trigger";
    case XfrmMode::beet:
      return "beet";
  }
  return "unknown";
}

std::string direction_name(Direction direction) {
  switch (direction) {
    case Direction::none:
      return "none";
    case Direction::in:
      return "in";
    case Direction::out:
      return "out";
  }
  return "unknown";
}

// As in benchmarks and documentation: aes128-gcm. Others keep the kernel's name.
std::string algorithm_name(const Sa& sa) {
  if (const Result<TransformId> transform = transform_of(sa)) {
    return std::string(transform_info(*transform)->name);
  }
  std::string name;
  for (const auto* algorithm : {&sa.aead, &sa.crypt, &sa.auth}) {
    if (!algorithm->has_value()) continue;
    name += (name.empty() ? "" : "+") + (*algorithm)->name;
  }
  return name.empty() ? "none" : name;
}

// Ports as a number where they are one.
Json port_json(const std::string& text) {
  const bool is_number =
      std::ranges::all_of(text, [](char letter) { return '0' <= letter && letter <= '9'; });
  return is_number ? Json(std::stoul(text)) : Json(text);
}

Json selector_json(const Selector& selector, const SelectorRanges& ranges) {
  Json entry = {{"src", source_text(selector, ranges)},
                {"dst", destination_text(selector, ranges)},
                {"protocol", protocol_text(selector.protocol)}};
  const Json first = port_json(source_port_text(selector, ranges));
  const Json second = port_json(destination_port_text(selector, ranges));
  entry["src_port"] = first;
  entry["dst_port"] = second;
  if (is_icmp(selector.protocol)) {
    entry["icmp_type"] = first;
    entry["icmp_code"] = second;
  }
  return entry;
}

std::string origin_name(PolicyOrigin origin) {
  switch (origin) {
    case PolicyOrigin::xfrm:
      return "xfrm";
    case PolicyOrigin::configuration:
      return "configuration";
    case PolicyOrigin::command:
      return "command";
  }
  return "unknown";
}

Json defaults_json(const DefaultVerdicts& verdicts) {
  Json entry = Json::object();
  for (const auto direction : {PolicyDirection::in, PolicyDirection::out, PolicyDirection::fwd}) {
    const PolicyVerdict verdict = verdicts[static_cast<std::size_t>(direction)];
    entry[std::string(direction_text(direction))] =
        verdict == PolicyVerdict::block ? "discard" : "bypass";
  }
  return entry;
}

Json limit_json(std::uint64_t limit) {
  return limit == Lifetimes::kNoLimit || limit == 0 ? Json() : Json(limit);
}

}  // namespace

std::string spi_text(Spi spi) {
  return fmt::format("0x{:08x}", spi.raw());
}

std::string bitmap_text(const std::vector<std::uint32_t>& words) {
  std::string text;
  for (auto word = words.rbegin(); word != words.rend(); ++word) {
    fmt::format_to(std::back_inserter(text), "{:08x}", *word);
  }
  return text;
}

// The smallest window, of those one can ask for in powers of two, that would have taken 99.99 % of
// the packets; null: it would have to be larger than any.
Json window_wanted(const SaFigures& figures) {
  constexpr std::uint64_t kOneIn = 10'000;
  std::uint64_t refused = 0;
  std::uint64_t total =
      figures.packets - std::min<std::uint64_t>(figures.packets, figures.late_accepted);
  for (const std::uint64_t late : figures.late) total += late;
  Json wanted;
  for (std::size_t bucket = kLatenessBuckets; bucket-- > 0;) {
    if (refused > total / kOneIn) break;
    if (bucket + 1 < kLatenessBuckets) wanted = kMinReplayWindow << bucket;
    refused += figures.late[bucket];
  }
  return wanted;
}

Json replay_json(const SaManager& manager, const Sa& sa, const SaFigures& figures) {
  const bool is_inbound = manager.direction_of(sa.index) == Direction::in;
  Json replay = {{"window", is_inbound ? figures.window : 0},
                 {"top", figures.sequence},
                 {"bitmap", bitmap_text(manager.replay_bitmap(sa.index))}};
  if (!is_inbound) return replay;
  const auto dropped = [&](DropReason reason) { return figures.drops[index_of(reason)]; };
  replay["late_accepted"] = figures.late_accepted;
  replay["replayed"] = dropped(DropReason::esp_in_replay);
  replay["too_old"] = dropped(DropReason::esp_in_too_old);
  // Packets that were 1 to 31, 32 to 63, 64 to 127, ... numbers behind the newest.
  replay["late"] = figures.late;
  replay["window_for_99.99_percent"] = window_wanted(figures);
  return replay;
}

// In bytes. `overhead` is what ESP adds at least, `effective` what an inner packet may have; in
// transport mode that is for a header without options.
Json mtu_json(const Sa& sa, const SaFigures& figures) {
  const auto transform = transform_of(sa);
  if (!transform || figures.media_mtu == 0) return Json();
  const TransformInfo& info = *transform_info(*transform);
  const bool is_transport = sa.mode == XfrmMode::transport;
  const SaMode mode = is_transport ? SaMode::transport : SaMode::tunnel;
  const EspOverhead overhead{
      .front = esp_front_bytes(mode, sa.id.family, sa.encap.has_value(), info.iv_bytes),
      .icv = info.icv_bytes,
      .pad_alignment = info.pad_alignment};
  const std::uint32_t header_bytes = !is_transport ? 0 : sa.id.family == Family::v6 ? 40 : 20;
  const std::uint32_t path =
      figures.path_mtu == 0 ? figures.media_mtu : std::min(figures.path_mtu, figures.media_mtu);
  return {{"media", figures.media_mtu},
          {"path", figures.path_mtu == 0 ? Json() : Json(figures.path_mtu)},
          {"overhead", overhead.front + overhead.icv + sizeof(EspTrailer)},
          {"padding_to", info.pad_alignment},
          {"effective", largest_inner(overhead, path, header_bytes)}};
}

Json sa_entry(const SaManager& manager, const Sa& sa) {
  const SaFigures figures = manager.figures(sa.index);
  const Direction direction = manager.direction_of(sa.index);
  Json entry = {{"slot", sa.index.raw()},
                {"spi", spi_text(sa.id.spi)},
                {"direction", direction_name(direction)},
                {"state", sa.is_larval ? "larval" : "mature"},
                {"src", address_text(sa.id.family, sa.src)},
                {"dst", address_text(sa.id.family, sa.id.dst)}};
  if (sa.encap) {
    entry["encap"] = {{"src_port", sa.encap->src_port.host()},
                      {"dst_port", sa.encap->dst_port.host()}};
  }
  Json drops = Json::object();
  for (std::size_t reason = 0; reason < kSaDropReasons; ++reason) {
    if (figures.drops[reason] != 0)
      drops[std::string(kDropInfo[reason].name)] = figures.drops[reason];
  }
  const std::uint64_t now = now_seconds();
  const Mark set_mark = sa.set_mark.value_or(Mark{});
  entry.update({{"mode", mode_name(sa.mode)},
                {"algorithm", algorithm_name(sa)},
                {"esn", (sa.flags & kStateEsn) != 0},
                {"reqid", sa.reqid},
                {"mark", fmt::format("0x{:x}/0x{:x}", sa.id.mark.value, sa.id.mark.mask)},
                {"if_id", sa.if_id},
                {"selector", selector_json(sa.selector, {})},
                {"sequence", figures.sequence},
                {"packets", figures.packets},
                {"bytes", figures.bytes},
                {"drops", drops},
                {"replay", replay_json(manager, sa, figures)},
                {"limits",
                 {{"soft_bytes", limit_json(sa.lifetimes.soft_bytes)},
                  {"hard_bytes", limit_json(sa.lifetimes.hard_bytes)},
                  {"soft_packets", limit_json(sa.lifetimes.soft_packets)},
                  {"hard_packets", limit_json(sa.lifetimes.hard_packets)},
                  {"soft_seconds", limit_json(sa.lifetimes.soft_add_expires_seconds)},
                  {"hard_seconds", limit_json(sa.lifetimes.hard_add_expires_seconds)},
                  {"soft_use_seconds", limit_json(sa.lifetimes.soft_use_expires_seconds)},
                  {"hard_use_seconds", limit_json(sa.lifetimes.hard_use_expires_seconds)}}},
                {"tfc_bytes", sa.tfcpad.value_or(0)},
                {"dummies", figures.dummies},
                {"keepalives", figures.keepalives},
                {"mtu", direction == Direction::out ? mtu_json(sa, figures) : Json()},
                {"set_mark", fmt::format("0x{:x}/0x{:x}", set_mark.value, set_mark.mask)},
                {"first_used_seconds_ago", seconds_since(figures.first_used_ns)},
                {"last_used_seconds_ago", seconds_since(figures.last_used_ns)},
                {"age_seconds", now < sa.add_time_seconds ? 0 : now - sa.add_time_seconds}});
  return entry;
}

Json policy_entry(const SaManager& manager, const Policy& policy) {
  const PolicyFigures figures = manager.policy_figures(policy.slot);
  Json templates = Json::array();
  for (const Template& entry : policy.templates) {
    templates.push_back({{"src", address_text(entry.family, entry.src)},
                         {"dst", address_text(entry.family, entry.dst)},
                         {"spi", spi_text(entry.spi)},
                         {"mode", mode_name(entry.mode)},
                         {"reqid", entry.reqid},
                         {"level", entry.is_optional ? "use" : "required"}});
  }
  Json sas = Json::array();
  for (const SaIndex index : manager.sas_of_policy(policy.slot)) {
    if (const auto sa = manager.sa_at(index)) sas.push_back(spi_text(sa->id.spi));
  }
  const char* action = policy.verdict == PolicyVerdict::block ? "discard"
                       : policy.templates.empty()             ? "bypass"
                                                              : "protect";
  return {{"slot", policy.slot},
          {"index", policy.index},
          {"direction", std::string(direction_text(policy.direction))},
          {"selector", selector_json(policy.selector, policy.ranges)},
          {"priority", policy.priority},
          {"action", action},
          {"origin", origin_name(policy.origin)},
          {"spread", manager.is_spread(policy.slot)},
          {"dormant", manager.is_dormant(policy.slot)},
          {"templates", templates},
          {"sas", sas},
          {"packets", figures.packets},
          {"bytes", figures.bytes},
          {"last_used_seconds_ago", seconds_since(figures.last_used_ns)}};
}

Result<Json> sa_view(const SaManager& manager, const Json& request) {
  const auto page = page_of(request);
  if (!page) return page.error();
  Json list = Json::array();
  Json next;
  for (auto sa = manager.next_sa(SaIndex{page->from}); sa;
       sa = manager.next_sa(SaIndex{sa->index.raw() + 1})) {
    if (list.size() == page->limit) {
      next = sa->index.raw();
      break;
    }
    list.push_back(sa_entry(manager, *sa));
  }
  return Json{{"sas", std::move(list)}, {"next", next}};
}

Result<Json> policy_view(const SaManager& manager, const Json& request) {
  const auto page = page_of(request);
  if (!page) return page.error();
  Json list = Json::array();
  Json next;
  for (auto policy = manager.next_policy(page->from); policy;
       policy = manager.next_policy(policy->slot + 1)) {
    if (list.size() == page->limit) {
      next = policy->slot;
      break;
    }
    list.push_back(policy_entry(manager, *policy));
  }
  return Json{{"policies", std::move(list)},
              {"default", manager.default_action() == PolicyAction::bypass ? "bypass" : "discard"},
              {"defaults", defaults_json(manager.default_verdicts())},
              {"next", next}};
}

}  // namespace culvert
