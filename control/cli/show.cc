// SPDX-License-Identifier: BSD-3-Clause
#include "control/cli/show.h"

#include <fmt/format.h>

#include <charconv>
#include <iterator>
#include <optional>

#include "control/cli/table.h"

namespace culvert {
namespace {

constexpr const char* kTerminalIndent = "    ";

// The cells of one table row, in the order of `keys`.
std::vector<Json> cells_of(const Json& entry, const std::vector<const char*>& keys) {
  std::vector<Json> cells;
  for (const char* key : keys) cells.push_back(entry.value(key, Json()));
  return cells;
}

std::string ago(const Json& seconds) {
  return seconds.is_null() ? "never" : fmt::format("{} s ago", seconds.get<std::uint64_t>());
}

std::string endpoint(const Json& sa, const char* address, const char* port) {
  const std::string text = sa.value(address, "");
  if (!sa.contains("encap")) return text;
  return fmt::format("{}:{}", text, cell_text(sa["encap"].value(port, Json())));
}

std::string drops_line(const Json& drops) {
  std::string text;
  for (const auto& [name, count] : drops.items()) {
    text += fmt::format("{}{} {}", text.empty() ? "" : ", ", name, count.get<std::uint64_t>());
  }
  return text.empty() ? "none" : text;
}

void append_sa(const Json& sa, std::string& text) {
  const auto out = std::back_inserter(text);
  const Json replay = sa.value("replay", Json::object());
  const bool is_inbound = sa.value("direction", "") == "in";
  fmt::format_to(out, "SPI {}  {}  {} -> {}\n", sa.value("spi", ""), sa.value("direction", ""),
                 endpoint(sa, "src", "src_port"), endpoint(sa, "dst", "dst_port"));
  fmt::format_to(out, "{}{}, {}{}, ESN {}, reqid {}{}\n", kTerminalIndent, sa.value("mode", ""),
                 sa.value("algorithm", ""), sa.contains("encap") ? ", UDP-encapsulated" : "",
                 sa.value("esn", false) ? "yes" : "no", sa.value("reqid", 0u),
                 sa.value("state", "") == "larval" ? ", larval" : "");
  fmt::format_to(out, "{}packets {}, bytes {}, highest sequence number {}\n", kTerminalIndent,
                 sa.value("packets", std::uint64_t{0}), sa.value("bytes", std::uint64_t{0}),
                 sa.value("sequence", std::uint64_t{0}));
  if (is_inbound) {
    fmt::format_to(out, "{}replay window {}, bitmap (rightmost bit: highest number) {}\n",
                   kTerminalIndent, replay.value("window", 0u), replay.value("bitmap", ""));
  }
  if (const Json mtu = sa.value("mtu", Json()); !mtu.is_null()) {
    fmt::format_to(
        out, "{}MTU [bytes]: media {}, path {}, overhead {} and padding to {}, left {}\n",
        kTerminalIndent, mtu.value("media", 0u), cell_text(mtu.value("path", Json())),
        mtu.value("overhead", 0u), mtu.value("padding_to", 0u), mtu.value("effective", 0u));
  }
  if (sa.value("dummies", 0u) != 0 || sa.value("keepalives", 0u) != 0) {
    fmt::format_to(out, "{}dummies {}, keepalives {}\n", kTerminalIndent, sa.value("dummies", 0u),
                   sa.value("keepalives", 0u));
  }
  fmt::format_to(out, "{}drops: {}\n", kTerminalIndent,
                 drops_line(sa.value("drops", Json::object())));
  fmt::format_to(out, "{}last used {}, age {} s\n", kTerminalIndent,
                 ago(sa.value("last_used_seconds_ago", Json())),
                 sa.value("age_seconds", std::uint64_t{0}));
}

std::uint64_t total_drops(const Json& sa) {
  std::uint64_t sum = 0;
  for (const Json& count : sa.value("drops", Json::object())) sum += count.get<std::uint64_t>();
  return sum;
}

Result<Json> with_spi(Json data, const std::string& text) {
  const auto spi = parse_spi(text);
  if (!spi) return Error{EINVAL, fmt::format("spi \"{}\": must be {}", text, kSpiForm)};
  const std::string wanted = fmt::format("0x{:08x}", *spi);
  Json kept = Json::array();
  for (Json& sa : data["sas"]) {
    if (sa.value("spi", "") == wanted) kept.push_back(std::move(sa));
  }
  if (kept.empty()) return Error{ENOENT, fmt::format("no SA has SPI {}", wanted)};
  data["sas"] = std::move(kept);
  return data;
}

Json occurred(const Json& drops) {
  Json kept = Json::array();
  for (const Json& drop : drops) {
    if (drop.value("packets", std::uint64_t{0}) != 0) kept.push_back(drop);
  }
  return kept;
}

// What happens where no policy matches.
std::string policy_default_text(const Json& data) {
  std::string text = "default " + data.value("default", "");
  const Json defaults = data.value("defaults", Json::object());
  std::string asked;
  bool differs = false;
  for (const auto& [direction, action] : defaults.items()) {
    asked +=
        fmt::format("{}{} {}", asked.empty() ? "" : ", ", direction, action.get<std::string>());
    differs = differs || action != data.value("default", "");
  }
  if (differs) text += " (asked for: " + asked + "; where one is discard, all are)";
  return text + "\n";
}

// "udp", "icmp type 3 code 0-4"
std::string protocol_of(const Json& selector) {
  std::string text = selector.value("protocol", "");
  for (const char* const field : {"type", "code"}) {
    const std::string value = cell_text(selector.value(std::string("icmp_") + field, Json("any")));
    if (value != "any") text += fmt::format(" {} {}", field, value);
  }
  return text;
}

std::string text_of_view(const ShowOptions& options, const Json& data) {
  const std::string& view = options.view;
  if (view == "sa") return sas_text(data.value("sas", Json::array()), options.detail);
  if (view == "policy") return policies_text(data);
  if (view == "ports") return ports_text(data.value("ports", Json::array()));
  if (view == "routes") return routes_text(data);
  if (view == "drops") return drops_text(data.value("drops", Json::array()), "no drops");
  if (view == "fragments") return pairs_text(data);
  if (view == "workers") return workers_text(data.value("workers", Json::array()));
  return pairs_text(data);
}

}  // namespace

std::optional<std::uint32_t> parse_spi(std::string_view text) {
  const bool is_hex = text.substr(0, 2) == "0x";
  if (is_hex) text.remove_prefix(2);
  std::uint32_t spi = 0;
  const auto [end, error] =
      std::from_chars(text.data(), text.data() + text.size(), spi, is_hex ? 16 : 10);
  if (error != std::errc{} || end != text.data() + text.size()) return std::nullopt;
  return spi;
}

std::string sas_text(const Json& sas, SaDetail detail) {
  if (sas.empty()) return "no SAs\n";
  if (detail == SaDetail::full) {
    std::string text;
    for (const Json& sa : sas) append_sa(sa, text);
    return text;
  }
  Table table({"SPI", "dir", "source", "destination", "algorithm", "highest seq", "packets",
               "inner bytes", "drops", "last use [s ago]", "age [s]"});
  for (const Json& sa : sas) {
    table.add_row({sa.value("spi", ""), sa.value("direction", ""), endpoint(sa, "src", "src_port"),
                   endpoint(sa, "dst", "dst_port"), sa.value("algorithm", ""),
                   sa.value("sequence", std::uint64_t{0}), sa.value("packets", std::uint64_t{0}),
                   sa.value("bytes", std::uint64_t{0}), total_drops(sa),
                   sa.value("last_used_seconds_ago", Json()), sa.value("age_seconds", Json())});
  }
  return table.text();
}

std::string policies_text(const Json& data) {
  const Json policies = data.value("policies", Json::array());
  if (policies.empty()) return "no policies\n" + policy_default_text(data);
  Table table({"dir", "priority", "source", "destination", "protocol", "action", "SAs", "packets",
               "inner bytes", "last use [s ago]"});
  for (const Json& policy : policies) {
    const Json selector = policy.value("selector", Json::object());
    std::string sas;
    for (const Json& spi : policy.value("sas", Json::array())) {
      sas += (sas.empty() ? "" : ",") + spi.get<std::string>();
    }
    const bool has_ports = !selector.contains("icmp_type");
    const auto side = [&](const char* prefix, const char* port) {
      const std::string number = cell_text(selector.value(port, Json()));
      const bool is_any = number == "any" || !has_ports;
      return selector.value(prefix, "") + (is_any ? "" : " port " + number);
    };
    table.add_row({policy.value("direction", ""), policy.value("priority", 0u),
                   side("src", "src_port"), side("dst", "dst_port"), protocol_of(selector),
                   policy.value("action", ""), sas.empty() ? Json("-") : Json(sas),
                   policy.value("packets", Json()), policy.value("bytes", Json()),
                   policy.value("last_used_seconds_ago", Json())});
  }
  return table.text() + policy_default_text(data);
}

std::string ports_text(const Json& ports) {
  const std::vector<const char*> keys = {"name",       "device",   "driver",     "mac",
                                         "mtu",        "link",     "link_mbps",  "rx_queues",
                                         "tx_queues",  "mirror",   "rx_packets", "rx_bytes",
                                         "tx_packets", "tx_bytes", "rx_no_mbuf", "rx_missed"};
  Table table({"port", "device", "driver", "MAC", "MTU [bytes]", "link", "speed [Mbit/s]",
               "rx queues", "tx queues", "mirror", "rx [packets]", "rx [bytes]", "tx [packets]",
               "tx [bytes]", "no buffer [packets]", "missed [packets]"});
  for (const Json& port : ports) table.add_row(cells_of(port, keys));
  return table.text();
}

std::string routes_text(const Json& data) {
  // A line for each of several next hops.
  Table routes({"prefix", "type", "via", "port", "weight"});
  for (const Json& route : data.value("routes", Json::array())) {
    const Json hops = route.value("nexthops", Json::array());
    if (hops.size() < 2) {
      routes.add_row(cells_of(route, {"prefix", "type", "via", "port", "weight"}));
      continue;
    }
    for (const Json& hop : hops) {
      std::vector<Json> cells = cells_of(route, {"prefix", "type"});
      for (Json& cell : cells_of(hop, {"via", "port", "weight"})) cells.push_back(std::move(cell));
      routes.add_row(std::move(cells));
    }
  }
  Table addresses({"own address", "port"});
  for (const Json& address : data.value("addresses", Json::array())) {
    addresses.add_row(cells_of(address, {"address", "port"}));
  }
  Table neighbors({"neighbor", "MAC", "port"});
  for (const Json& neighbor : data.value("neighbors", Json::array())) {
    neighbors.add_row(cells_of(neighbor, {"address", "mac", "port"}));
  }
  return addresses.text() + "\n" + routes.text() + "\n" + neighbors.text();
}

std::string drops_text(const Json& drops, const std::string& none) {
  if (drops.empty()) return none + "\n";
  Table table({"reason", "packets", "meaning"});
  for (const Json& drop : drops) table.add_row(cells_of(drop, {"name", "packets", "help"}));
  return table.text();
}

std::string workers_text(const Json& workers) {
  Table table({"worker", "CPU", "rounds", "busy [% of rounds]", "sleeps", "received [packets]",
               "from Linux [packets]", "sent [packets]", "punted [packets]", "drops [packets]"});
  for (const Json& worker : workers) {
    const auto rounds = worker.value("rounds", std::uint64_t{0});
    const auto busy = worker.value("busy_rounds", std::uint64_t{0});
    const Json percent =
        rounds == 0 ? Json() : Json(100 * static_cast<double>(busy) / static_cast<double>(rounds));
    std::vector<Json> cells = cells_of(worker, {"worker", "core", "rounds"});
    cells.push_back(percent.is_null() ? Json()
                                      : Json(fmt::format("{:.1f}", percent.get<double>())));
    for (const Json& cell :
         cells_of(worker, {"sleeps", "received", "from_linux", "sent", "punted", "drops"})) {
      cells.push_back(cell);
    }
    table.add_row(std::move(cells));
  }
  return table.text();
}

std::string pairs_text(const Json& data) {
  std::string text;
  for (const auto& [key, value] : data.items()) {
    text += fmt::format("{:<26}{}\n", key, cell_text(value));
  }
  return text;
}

Result<std::string> show(ApiClient& client, const ShowOptions& options) {
  const bool is_paged = options.view == "sa" || options.view == "policy";
  auto data = is_paged ? client.ask_all(options.view, options.view == "sa" ? "sas" : "policies")
                       : client.ask(options.view);
  if (!data) return data.error();
  if (!options.spi.empty()) data = with_spi(std::move(*data), options.spi);
  if (!data) return data.error();
  if (options.view == "drops" && !options.all_drops) {
    (*data)["drops"] = occurred(data->value("drops", Json::array()));
  }
  if (options.output == Output::json) return data->dump() + "\n";
  return text_of_view(options, *data);
}

}  // namespace culvert
