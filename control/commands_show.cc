// SPDX-License-Identifier: BSD-3-Clause
#include <fmt/format.h>

#include <chrono>
#include <cstdio>
#include <memory>
#include <thread>

#include "control/api/client.h"
#include "control/api/paths.h"
#include "control/cli/balance.h"
#include "control/cli/show.h"
#include "control/commands.h"

namespace culvert {
namespace {

constexpr std::chrono::milliseconds kBetweenReadings{50};

struct ShowArguments {
  std::string instance{kDefaultInstance};
  bool as_json = false;
  bool brief = false;
  ShowOptions options;
};

int run_show(const ShowArguments& arguments) {
  auto client = ApiClient::connect(arguments.instance);
  if (!client) return complain(client.error());
  ShowOptions options = arguments.options;
  options.output = arguments.as_json ? Output::json : Output::text;
  options.detail = arguments.brief ? SaDetail::brief : SaDetail::full;
  const auto text = show(*client, options);
  if (!text) {
    complain(text.error());
    return kExitFailed;
  }
  std::fputs(text->c_str(), stdout);
  return kExitOk;
}

int run_balance(const ShowArguments& arguments) {
  auto client = ApiClient::connect(arguments.instance);
  if (!client) return complain(client.error());
  const auto verdict = judge_balance([&client] { return client->ask("balance"); },
                                     [] { std::this_thread::sleep_for(kBetweenReadings); });
  if (!verdict) return complain(verdict.error());
  const std::string text =
      arguments.as_json ? balance_json(*verdict).dump() + "\n" : balance_text(*verdict);
  std::fputs(text.c_str(), stdout);
  return verdict->is_ok ? kExitOk : kExitFailed;
}

// One view's command. What CLI11 fills in lives as long as the command.
CLI::App* add_view(CLI::App& show_command, Action& action, const char* name, const char* help,
                   const std::shared_ptr<ShowArguments>& arguments) {
  CLI::App* command = show_command.add_subcommand(name, help);
  arguments->options.view = name;
  add_instance_option(*command, arguments->instance);
  command->add_flag("--json", arguments->as_json, "print one line of JSON");
  const bool is_balance = arguments->options.view == "balance";
  command->callback([&action, arguments, is_balance] {
    action = [arguments, is_balance] {
      return is_balance ? run_balance(*arguments) : run_show(*arguments);
    };
  });
  return command;
}

}  // namespace

void add_show_commands(CLI::App& app, Action& action) {
  CLI::App* show_command = app.add_subcommand("show", "show what a running instance does");
  show_command->require_subcommand(1);
  show_command->footer(
      "Examples:\n"
      "  culvert show sa --spi 0x1001\n"
      "  culvert show drops --json | jq '.drops[] | {name, packets}'\n"
      "  watch culvert show ports --instance west");
  const auto add = [&](const char* name, const char* help) {
    auto arguments = std::make_shared<ShowArguments>();
    return std::make_pair(add_view(*show_command, action, name, help, arguments), arguments);
  };
  const auto [sa, sa_arguments] = add("sa", "security associations, with replay windows and drops");
  sa->add_option("--spi", sa_arguments->options.spi, "only SAs with this SPI, as 0x1001 or 4097")
      ->check([](const std::string& word) {
        return parse_spi(word) ? std::string() : fmt::format("\"{}\": must be {}", word, kSpiForm);
      });
  sa->add_flag("--brief", sa_arguments->brief, "one line per SA");
  add("policy", "security policies, and the SAs they lead to");
  add("ports", "ports: device, link, queues, packets");
  add("routes", "own addresses, routes and neighbours, as the dataplane has them");
  const auto [drops, drops_arguments] = add("drops", "dropped packets by reason");
  drops->add_flag("--all", drops_arguments->options.all_drops, "also reasons that never occurred");
  add("fragments", "packets split and put together, and path MTUs told by ICMP");
  CLI::App* balance = add("balance", "whether every packet is accounted for").first;
  balance->footer(
      "Counters are read while traffic runs, several times until both sides are equal:\n"
      "  received + from_linux + originated + split = sent + punted + drops + merged + held\n"
      "Exit code 0: ok. 1: not ok.");
  add("workers", "worker threads: rounds, sleeps, packets");
  add("version", "versions, processes, the code path of the ciphers");
}

}  // namespace culvert
