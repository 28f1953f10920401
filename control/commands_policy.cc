// SPDX-License-Identifier: BSD-3-Clause
#include <array>
#include <cstdio>
#include <memory>
#include <string>

#include "control/api/client.h"
#include "control/api/paths.h"
#include "control/commands.h"
#include "control/policy_text.h"

namespace culvert {
namespace {

struct Option {
  const char* name;
  const char* field;  // of the API's "policy"
  const char* help;
};

// What names a policy.
constexpr std::array kNames = {
    Option{"--direction", "direction", "in or out"},
    Option{"--src", "src", "10.1.0.0/24, 10.1.0.5-10.1.0.90, or any"},
    Option{"--dst", "dst", "the same of the destination"},
    Option{"--protocol", "protocol", "tcp, udp, icmp, icmpv6, ... or a number"},
    Option{"--src-ports", "src_ports", "53, 1000-2000, or any"},
    Option{"--dst-ports", "dst_ports", "the same of the destination"},
    Option{"--icmp-type", "icmp_type", "0 to 255, or a range"},
    Option{"--icmp-code", "icmp_code", "0 to 255, or a range"},
};
constexpr std::array kRest = {
    Option{"--action", "action", "protect, bypass or discard"},
    Option{"--priority", "priority", "the lowest is tried first; 0 without it"},
    Option{"--template-src", "template.src", "protect: the SAs' own end"},
    Option{"--template-dst", "template.dst", "protect: the SAs' far end"},
    Option{"--template-mode", "template.mode", "protect: tunnel or transport"},
    Option{"--template-reqid", "template.reqid", "protect: the SAs' reqid"},
};

struct PolicyArguments {
  std::string instance{kDefaultInstance};
  bool as_json = false;
  bool spreads = false;
  bool is_optional = false;
  std::uint32_t index = 0;
  std::array<std::string, kNames.size() + kRest.size()> values;
};

void add_options(CLI::App& command, std::span<const Option> options,
                 std::span<std::string> values) {
  for (std::size_t i = 0; i < options.size(); ++i) {
    command.add_option(options[i].name, values[i], options[i].help);
  }
}

PolicyFields policy_fields(const PolicyArguments& arguments) {
  PolicyFields policy;
  for (std::size_t i = 0; i < arguments.values.size(); ++i) {
    const Option& option = i < kNames.size() ? kNames[i] : kRest[i - kNames.size()];
    if (!arguments.values[i].empty()) policy[option.field] = arguments.values[i];
  }
  if (arguments.spreads) policy["spread"] = "true";
  if (arguments.is_optional) policy["template.optional"] = "true";
  return policy;
}

int ask(const PolicyArguments& arguments, const char* view, const Json& parameters) {
  auto client = ApiClient::connect(arguments.instance);
  if (!client) return complain(client.error());
  const auto answer = client->ask(view, parameters);
  if (!answer) {
    complain(answer.error());
    return kExitFailed;
  }
  if (arguments.as_json) std::printf("%s\n", answer->dump().c_str());
  return kExitOk;
}

// Says what is wrong with a policy, if anything is, before anybody is asked.
bool is_well_formed(const PolicyReading& reading) {
  for (const PolicyFault& fault : reading.faults) {
    std::fprintf(stderr, "culvert: %s\n", fault.message.c_str());
  }
  return reading.faults.empty();
}

void add_add(CLI::App& group, Action& action) {
  auto arguments = std::make_shared<PolicyArguments>();
  CLI::App* command = group.add_subcommand("add", "add a policy");
  add_instance_option(*command, arguments->instance);
  add_options(*command, kNames, std::span(arguments->values).first(kNames.size()));
  add_options(*command, kRest, std::span(arguments->values).subspan(kNames.size()));
  command->add_flag("--template-optional", arguments->is_optional,
                    "protect, in: what comes in clear passes, too");
  command->add_flag("--spread", arguments->spreads,
                    "protect, out: flows are spread over all SAs of the template");
  command->add_flag("--json", arguments->as_json, "print the policy as one line of JSON");
  command->footer(
      "It lasts until it is deleted or the instance ends; [[policy.entry]] in the configuration "
      "lasts.\n"
      "Example:\n"
      "  culvert policy add --direction out --action discard --priority 5 \\\n"
      "      --src 10.1.0.5-10.1.0.90 --protocol udp --dst-ports 1000-2000");
  command->callback([&action, arguments] {
    action = [arguments] {
      const auto reading = policy_of_fields(policy_fields(*arguments), PolicyOrigin::command);
      if (!is_well_formed(reading)) return kExitUsage;
      return ask(*arguments, "policy_add", {{"policy", policy_fields(*arguments)}});
    };
  });
}

void add_delete(CLI::App& group, Action& action) {
  auto arguments = std::make_shared<PolicyArguments>();
  CLI::App* command =
      group.add_subcommand("delete", "delete a policy that `culvert policy add` or the API added");
  add_instance_option(*command, arguments->instance);
  add_options(*command, kNames, std::span(arguments->values).first(kNames.size()));
  CLI::Option* index = command->add_option("--index", arguments->index,
                                           "by its index in `culvert show policy --json`");
  command->add_flag("--json", arguments->as_json, "print what it was as one line of JSON");
  command->footer("Name it by direction and selector exactly as it was added, or by its index.");
  command->callback([&action, arguments, index] {
    const bool by_index = index->count() != 0;
    action = [arguments, by_index] {
      if (!by_index && !is_well_formed(policy_name_of_fields(policy_fields(*arguments),
                                                             PolicyOrigin::command))) {
        return kExitUsage;
      }
      const Json parameters = by_index ? Json{{"index", arguments->index}}
                                       : Json{{"policy", policy_fields(*arguments)}};
      return ask(*arguments, "policy_delete", parameters);
    };
  });
}

}  // namespace

void add_policy_commands(CLI::App& app, Action& action) {
  CLI::App* group = app.add_subcommand("policy", "add and delete policies with true ranges");
  group->require_subcommand(1);
  group->footer("`culvert show policy` shows them all; XFRM's come and go by `culvert ip xfrm`.");
  add_add(*group, action);
  add_delete(*group, action);
}

}  // namespace culvert
