// SPDX-License-Identifier: BSD-3-Clause
// The grammar of policies.
#include <fmt/format.h>
#include <netinet/in.h>

#include <algorithm>
#include <charconv>
#include <utility>

#include "control/address_text.h"
#include "control/policy_text.h"

namespace culvert {
namespace {

constexpr std::uint32_t kMostPort = 65535;
constexpr std::uint32_t kMostIcmp = 255;

struct NumberRange {
  std::uint16_t first = 0;
  std::uint16_t last = 0;
};

std::optional<std::uint32_t> parse_number(std::string_view text, std::uint32_t most) {
  std::uint32_t number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (error != std::errc{} || end != text.data() + text.size() || number > most) {
    return std::nullopt;
  }
  return number;
}

std::optional<std::uint8_t> parse_protocol(std::string_view text) {
  if (text == "ipv6-icmp") return IPPROTO_ICMPV6;
  for (unsigned protocol = 0; protocol <= 255; ++protocol) {
    if (text == protocol_text(static_cast<std::uint8_t>(protocol))) {
      return static_cast<std::uint8_t>(protocol);
    }
  }
  const auto number = parse_number(text, 255);
  return number ? std::optional(static_cast<std::uint8_t>(*number)) : std::nullopt;
}

bool has_ports(std::uint8_t protocol) {
  return protocol == IPPROTO_TCP || protocol == IPPROTO_UDP || protocol == IPPROTO_SCTP ||
         protocol == IPPROTO_DCCP || protocol == IPPROTO_UDPLITE;
}

std::uint8_t common_bits(Family family, const IpAddress& first, const IpAddress& last) {
  const std::uint8_t most = family == Family::v6 ? 128 : 32;
  std::uint8_t bits = 0;
  while (bits < most && network_of(first, static_cast<std::uint8_t>(bits + 1)) ==
                            network_of(last, static_cast<std::uint8_t>(bits + 1))) {
    ++bits;
  }
  return bits;
}

class PolicyReader {
 public:
  PolicyReader(const PolicyFields& fields, PolicyOrigin origin) : fields_(fields) {
    policy_.origin = origin;
  }

  PolicyReading read_name() {
    read_direction();
    read_selector();
    return result();
  }
  PolicyReading read() {
    read_direction();
    read_selector();
    read_priority();
    read_action();
    if (const auto flag = flag_of("spread")) read_spread(*flag);
    return result();
  }

 private:
  [[nodiscard]] const std::string* text(std::string_view key) const {
    const auto field = fields_.find(key);
    return field == fields_.end() ? nullptr : &field->second;
  }
  void fail(std::string_view key, std::string_view why) {
    const std::string* const value = text(key);
    faults_.push_back({std::string(key), value == nullptr
                                             ? fmt::format("\"{}\" {}", key, why)
                                             : fmt::format("{} \"{}\": {}", key, *value, why)});
  }
  PolicyReading result() {
    const auto& known = policy_keys();
    for (const auto& [key, value] : fields_) {
      if (std::find(known.begin(), known.end(), key) != known.end()) continue;
      fail(key, fmt::format("no such field; there are {}", fmt::join(known, ", ")));
    }
    policy_.family = policy_.selector.family;
    if (!faults_.empty()) return {std::nullopt, std::move(faults_)};
    return {std::move(policy_), {}};
  }

  [[nodiscard]] std::optional<bool> flag_of(std::string_view key) {
    const std::string* const value = text(key);
    if (value == nullptr) return std::nullopt;
    if (*value == "true") return true;
    if (*value != "false") fail(key, "must be true or false");
    return false;
  }
  [[nodiscard]] std::optional<NumberRange> numbers_of(std::string_view key, std::uint32_t most);
  void read_direction();
  void read_priority();
  void read_selector();
  void read_addresses(std::string_view key, IpAddress& first, std::uint8_t& bits, IpAddress& last,
                      std::uint8_t field);
  void take_family(std::string_view key, Family family);
  void read_protocol();
  void read_ports();
  void read_icmp();
  void put_source_ports(const NumberRange& range);
  void put_destination_ports(const NumberRange& range);
  void read_action();
  void read_template();
  void read_template_end(std::string_view key, Template& wanted, IpAddress& address);
  void read_spread(bool is_wanted);

  const PolicyFields& fields_;
  Policy policy_;
  std::vector<PolicyFault> faults_;
};

std::optional<NumberRange> PolicyReader::numbers_of(std::string_view key, std::uint32_t most) {
  const std::string* const value = text(key);
  if (value == nullptr || *value == "any") return std::nullopt;
  const std::size_t dash = value->find('-');
  const auto first = parse_number(std::string_view(*value).substr(0, dash), most);
  const auto last = dash == std::string::npos
                        ? first
                        : parse_number(std::string_view(*value).substr(dash + 1), most);
  if (!first || !last) {
    fail(key,
         fmt::format("must be a number from 0 to {}, a range of them such as \"{}\", or \"any\"",
                     most, most == kMostPort ? "1000-2000" : "0-4"));
    return std::nullopt;
  }
  if (*last < *first) {
    fail(key, "the range ends before it begins");
    return std::nullopt;
  }
  return NumberRange{static_cast<std::uint16_t>(*first), static_cast<std::uint16_t>(*last)};
}

void PolicyReader::read_direction() {
  const std::string* const value = text("direction");
  if (value == nullptr) return fail("direction", "is missing: \"in\" or \"out\"");
  if (*value == "in") {
    policy_.direction = PolicyDirection::in;
  } else if (*value == "out") {
    policy_.direction = PolicyDirection::out;
  } else {
    fail("direction", "must be \"in\" or \"out\"");
  }
}

void PolicyReader::read_priority() {
  const std::string* const value = text("priority");
  if (value == nullptr) return;
  const auto number = parse_number(*value, 0xffffffff);
  if (!number) return fail("priority", "must be a whole number, 0 (first) to 4294967295 (last)");
  policy_.priority = *number;
}

void PolicyReader::read_selector() {
  Selector& selector = policy_.selector;
  read_addresses("src", selector.src, selector.src_prefix_bits, policy_.ranges.src_last, kRangeSrc);
  read_addresses("dst", selector.dst, selector.dst_prefix_bits, policy_.ranges.dst_last, kRangeDst);
  read_protocol();
  read_ports();
  read_icmp();
}

void PolicyReader::read_addresses(std::string_view key, IpAddress& first, std::uint8_t& bits,
                                  IpAddress& last, std::uint8_t field) {
  const std::string* const value = text(key);
  if (value == nullptr || *value == "any") return;
  const std::size_t dash = value->find('-');
  if (dash == std::string::npos) {
    const auto prefix = parse_prefix(*value);
    if (!prefix) {
      return fail(key,
                  "must be a prefix such as \"10.2.0.0/16\", a range such as "
                  "\"10.2.0.5-10.2.0.90\", or \"any\"");
    }
    first = network_of(prefix->address, prefix->prefix_bits);
    bits = prefix->prefix_bits;
    if (first != prefix->address) {
      return fail(key, fmt::format("has bits set right of the prefix; did you mean \"{}\"?",
                                   prefix_text(prefix->family, first, bits)));
    }
    return take_family(key, prefix->family);
  }
  const auto begin = parse_address(std::string_view(*value).substr(0, dash));
  const auto end = parse_address(std::string_view(*value).substr(dash + 1));
  if (!begin || !end) return fail(key, "both ends of the range must be IPv4 or IPv6 addresses");
  if (begin->family != end->family) {
    return fail(key, "one end of the range is an IPv4 address, the other an IPv6 address");
  }
  if (end->address < begin->address) return fail(key, "the range ends before it begins");
  first = begin->address;
  bits = common_bits(begin->family, begin->address, end->address);
  if (begin->address != end->address) {
    last = end->address;
    policy_.ranges.fields = static_cast<std::uint8_t>(policy_.ranges.fields | field);
  }
  take_family(key, begin->family);
}

void PolicyReader::take_family(std::string_view key, Family family) {
  Family& known = policy_.selector.family;
  if (known != Family::none && known != family) {
    return fail(key, fmt::format("must be {} as src is", known == Family::v6 ? "IPv6" : "IPv4"));
  }
  known = family;
}

void PolicyReader::read_protocol() {
  const std::string* const value = text("protocol");
  if (value == nullptr) return;
  const auto protocol = parse_protocol(*value);
  if (!protocol) {
    return fail("protocol",
                "must be tcp, udp, sctp, dccp, udplite, icmp, icmpv6, gre, esp, any, or a number "
                "from 0 to 255");
  }
  policy_.selector.protocol = *protocol;
  const Family family = policy_.selector.family;
  if ((*protocol == IPPROTO_ICMP && family == Family::v6) ||
      (*protocol == IPPROTO_ICMPV6 && family == Family::v4)) {
    fail("protocol", fmt::format("the addresses are {}; there it is \"{}\"",
                                 family == Family::v6 ? "IPv6" : "IPv4",
                                 family == Family::v6 ? "icmpv6" : "icmp"));
  }
}

void PolicyReader::put_source_ports(const NumberRange& range) {
  policy_.selector.src_port = Be16{range.first};
  if (range.first == range.last) {
    policy_.selector.src_port_mask = Be16{0xffff};
  } else {
    policy_.ranges.src_port_last = Be16{range.last};
    policy_.ranges.fields = static_cast<std::uint8_t>(policy_.ranges.fields | kRangeSrcPort);
  }
}

void PolicyReader::put_destination_ports(const NumberRange& range) {
  policy_.selector.dst_port = Be16{range.first};
  if (range.first == range.last) {
    policy_.selector.dst_port_mask = Be16{0xffff};
  } else {
    policy_.ranges.dst_port_last = Be16{range.last};
    policy_.ranges.fields = static_cast<std::uint8_t>(policy_.ranges.fields | kRangeDstPort);
  }
}

void PolicyReader::read_ports() {
  for (const char* const key : {"src_ports", "dst_ports"}) {
    const auto range = numbers_of(key, kMostPort);
    if (!range) continue;
    if (!has_ports(policy_.selector.protocol)) {
      fail(key, "needs protocol tcp, udp, sctp, dccp or udplite");
    } else if (key == std::string_view("src_ports")) {
      put_source_ports(*range);
    } else {
      put_destination_ports(*range);
    }
  }
}

// Type and code stand where others have ports. A code means something beside its type only (RFC
// 4301 4.4.1.1).
void PolicyReader::read_icmp() {
  const auto type = numbers_of("icmp_type", kMostIcmp);
  const auto code = numbers_of("icmp_code", kMostIcmp);
  for (const auto& [key, range] : {std::pair("icmp_type", type), std::pair("icmp_code", code)}) {
    if (range && !is_icmp(policy_.selector.protocol)) fail(key, "needs protocol icmp or icmpv6");
  }
  if (!is_icmp(policy_.selector.protocol)) return;
  if (type) put_source_ports(*type);
  if (!code) return;
  if (!type || type->first != type->last) return fail("icmp_code", "needs icmp_type, one number");
  put_destination_ports(*code);
}

void PolicyReader::read_action() {
  const std::string* const value = text("action");
  if (value == nullptr) {
    return fail("action", "is missing: \"protect\", \"bypass\" or \"discard\"");
  }
  const bool has_template = std::ranges::any_of(
      fields_, [](const auto& field) { return field.first.starts_with("template."); });
  if (*value == "protect") {
    if (!has_template) return fail("template", "is missing: which SAs protect");
    return read_template();
  }
  if (*value != "bypass" && *value != "discard") {
    return fail("action", "must be \"protect\", \"bypass\" or \"discard\"");
  }
  policy_.verdict = *value == "discard" ? PolicyVerdict::block : PolicyVerdict::allow;
  if (has_template) fail("action", "takes no template; \"protect\" does");
}

void PolicyReader::read_template_end(std::string_view key, Template& wanted, IpAddress& address) {
  const std::string* const value = text(key);
  if (value == nullptr) return;
  const auto parsed = parse_address(*value);
  if (!parsed) return fail(key, "must be an IPv4 or IPv6 address");
  if (wanted.family != Family::none && wanted.family != parsed->family) {
    return fail(key, "must be of the family of template.src");
  }
  wanted.family = parsed->family;
  address = parsed->address;
}

void PolicyReader::read_template() {
  Template wanted;
  read_template_end("template.src", wanted, wanted.src);
  read_template_end("template.dst", wanted, wanted.dst);
  if (const std::string* const mode = text("template.mode")) {
    if (*mode == "transport") {
      wanted.mode = XfrmMode::transport;
    } else if (*mode != "tunnel") {
      fail("template.mode", "must be \"tunnel\" or \"transport\"");
    }
  }
  if (const std::string* const reqid = text("template.reqid")) {
    const auto number = parse_number(*reqid, 0xffffffff);
    if (!number) fail("template.reqid", "must be a whole number, 0 to 4294967295");
    wanted.reqid = number.value_or(0);
  }
  wanted.is_optional = flag_of("template.optional").value_or(false);
  const bool is_tunnel_out =
      policy_.direction == PolicyDirection::out && wanted.mode == XfrmMode::tunnel;
  if (is_tunnel_out && wanted.is_optional) {
    fail("template.optional", "an outbound tunnel cannot be");
  }
  if (is_tunnel_out && text("template.dst") == nullptr) {
    fail("template.dst", "is missing: the peer's address");
  }
  if (wanted.family == Family::none) wanted.family = policy_.selector.family;
  if (wanted.family == Family::none) wanted.family = Family::v4;  // with no address either will do
  policy_.templates = {wanted};
}

void PolicyReader::read_spread(bool is_wanted) {
  policy_.spreads = is_wanted;
  if (is_wanted && (policy_.direction != PolicyDirection::out || policy_.templates.empty())) {
    fail("spread", "is for policies of direction out and action protect");
  }
}

}  // namespace

const std::vector<std::string>& policy_keys() {
  static const std::vector<std::string> keys = {
      "direction",    "action",        "priority",       "src",
      "dst",          "protocol",      "src_ports",      "dst_ports",
      "icmp_type",    "icmp_code",     "spread",         "template.src",
      "template.dst", "template.mode", "template.reqid", "template.optional"};
  return keys;
}

PolicyReading policy_of_fields(const PolicyFields& fields, PolicyOrigin origin) {
  return PolicyReader(fields, origin).read();
}

PolicyReading policy_name_of_fields(const PolicyFields& fields, PolicyOrigin origin) {
  return PolicyReader(fields, origin).read_name();
}

}  // namespace culvert
