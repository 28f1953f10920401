// SPDX-License-Identifier: BSD-3-Clause
#include "control/check.h"

#include <fmt/format.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <utility>

#include "control/api/client.h"
#include "control/api/sa_views.h"
#include "control/config_difference.h"
#include "control/error_lines.h"
#include "control/log.h"
#include "control/table_change.h"
#include "control/wanted_tables.h"

namespace culvert {
namespace {

// What the batch files make. The configuration's own policies are tried, too; config_lines() has
// them.
Result<std::vector<std::string>> batch_lines(const Config& config, const std::string& instance,
                                             KeyReport report) {
  if (config.batch_files.empty() && config.policies.empty()) return std::vector<std::string>{};
  const auto wanted = WantedTables::load(config, instance, {}, report,
                                         [&](Family family, const IpAddress& address) {
                                           return is_configured_address(config, family, address);
                                         });
  if (!wanted) return wanted.error();
  const SaManager& manager = (*wanted)->manager();
  std::vector<std::string> lines;
  for (auto sa = manager.next_sa(SaIndex{0}); sa;
       sa = manager.next_sa(SaIndex{sa->index.raw() + 1})) {
    lines.push_back(sa_line(sa_entry(manager, *sa)));
  }
  for (auto policy = manager.next_policy(0); policy;
       policy = manager.next_policy(policy->slot + 1)) {
    if (policy->origin != PolicyOrigin::xfrm) continue;
    lines.push_back(policy_line(policy_entry(manager, *policy)));
  }
  return lines;
}

// The running instance's lines; SAs and policies among them that the batch files do not make stay
// out: key exchange made them, and no configuration takes them away.
Result<std::vector<std::string>> running_lines(ApiClient& client,
                                               const std::vector<std::string>& wanted) {
  const auto running = client.ask("running");
  if (!running) return running.error();
  auto lines = running->value("lines", std::vector<std::string>{});
  const auto sas = client.ask_all("sa", "sas");
  if (!sas) return sas.error();
  const auto policies = client.ask_all("policy", "policies");
  if (!policies) return policies.error();
  const auto add = [&](std::string line) {
    if (std::find(wanted.begin(), wanted.end(), line) != wanted.end()) {
      lines.push_back(std::move(line));
    }
  };
  for (const Json& sa : (*sas)["sas"]) add(sa_line(sa));
  for (const Json& policy : (*policies)["policies"]) add(policy_line(policy));
  return lines;
}

}  // namespace

Result<CheckReport> check_configuration(const Config& config, const std::string& instance) {
  auto client = ApiClient::connect(instance);
  // SAs that run go on with their own sequence numbers.
  const auto batch =
      batch_lines(config, instance, client ? KeyReport::unsaid : KeyReport::first_sequences);
  if (!batch) return batch.error();
  std::vector<std::string> wanted = config_lines(config);
  wanted.insert(wanted.end(), batch->begin(), batch->end());

  CheckReport report;
  report.is_running = client.has_value();
  std::vector<std::string> running;
  if (client) {
    auto lines = running_lines(*client, *batch);
    if (!lines) return lines.error();
    running = std::move(*lines);
  } else if (client.error().code != ECONNREFUSED) {
    return client.error();
  }
  report.changes = changed_lines(running, wanted);
  return report;
}

Result<void> print_check(const std::string& program, const std::string& file,
                         const std::string& instance) {
  const auto complain = [&program](const std::string& message) {
    for (const std::string& line : error_lines(message)) {
      std::fprintf(stderr, "%s: %s\n", program.c_str(), line.c_str());
    }
  };
  const auto loaded = load_config(file, this_machine());
  for (const ConfigError& error : loaded.errors) complain(error.text());
  if (!loaded.config) return Error{code_of(loaded.errors), ""};
  set_up_log(program, loaded.config->log_level);
  const auto report = check_configuration(*loaded.config, instance);
  if (!report) {
    complain(report.error().message);
    return Error{report.error().code, ""};
  }
  std::printf("%s: no faults\n", file.c_str());
  if (!report->is_running) {
    std::printf("instance %s is not running; it would start with\n", instance.c_str());
  } else if (report->changes.empty()) {
    std::printf("instance %s runs with exactly this\n", instance.c_str());
  } else {
    std::printf("instance %s would change at its next start\n", instance.c_str());
  }
  for (const std::string& line : report->changes) std::printf("  %s\n", line.c_str());
  return {};
}

}  // namespace culvert
