// SPDX-License-Identifier: BSD-3-Clause
#include <chrono>
#include <cstdio>
#include <memory>
#include <string>
#include <thread>

#include "control/api/client.h"
#include "control/api/paths.h"
#include "control/cli/events.h"
#include "control/commands.h"

namespace culvert {
namespace {

constexpr std::chrono::milliseconds kBetweenQuestions{200};

struct EventsArguments {
  std::string instance{kDefaultInstance};
  bool as_json = false;
  bool once = false;
};

int run_events(const EventsArguments& arguments) {
  auto client = ApiClient::connect(arguments.instance);
  if (!client) return complain(client.error());
  for (Json from = 0;;) {
    const auto page = client->ask("events", {{"from", from}});
    if (!page) return complain(page.error());
    const Json events = page->value("events", Json::array());
    for (const Json& event : events) {
      const std::string line = arguments.as_json ? event.dump() : event_line(event);
      std::printf("%s\n", line.c_str());
    }
    std::fflush(stdout);
    const Json next = page->value("next", Json(0));
    const bool is_all = events.empty() || next == from;
    from = next;
    if (!is_all) continue;
    if (arguments.once) return kExitOk;
    std::this_thread::sleep_for(kBetweenQuestions);
  }
}

}  // namespace

void add_events_command(CLI::App& app, Action& action) {
  auto arguments = std::make_shared<EventsArguments>();
  CLI::App* command = app.add_subcommand(
      "events", "follow auditable drops, expiring SAs, peers that moved, and links");
  add_instance_option(*command, arguments->instance);
  command->add_flag("--json", arguments->as_json, "print one line of JSON for each event");
  command->add_flag("--once", arguments->once, "print those that are kept and end");
  command->footer(
      "Auditable drops are reported up to 10 times a second for each reason and worker; kept_back\n"
      "says how many were not. culvert show drops counts all of them.");
  command->callback(
      [&action, arguments] { action = [arguments] { return run_events(*arguments); }; });
}

}  // namespace culvert
