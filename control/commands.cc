// SPDX-License-Identifier: BSD-3-Clause
#include "control/commands.h"

#include <cerrno>
#include <cstdio>

#include "control/api/paths.h"
#include "control/error_lines.h"

namespace culvert {

OptionCheck unsigned_check() {
  return [](const std::string& word) {
    return word.starts_with('-') ? word + ": must be 0 or more" : std::string();
  };
}

void add_instance_option(CLI::App& command, std::string& instance) {
  command.add_option("--instance", instance, "name of the instance")
      ->check([](const std::string& name) {
        const auto folder = instance_dir(name);
        return folder ? std::string() : folder.error().message;
      })
      ->capture_default_str();
}

std::vector<std::string> command_words(std::vector<std::string> words) {
  if (words.empty() || (words[0] != "exec" && words[0] != "ip")) return words;
  auto word = words.begin() + 1;
  while (word != words.end() && word->starts_with("--instance")) {
    const bool has_value = word->find('=') == std::string::npos && word + 1 != words.end();
    word += has_value ? 2 : 1;
  }
  if (word != words.end() && *word == "--") words.erase(word);
  return words;
}

int complain(const Error& error) {
  if (!error.message.empty()) {
    for (const std::string& line : error_lines(error.message)) {
      std::fprintf(stderr, "culvert: %s\n", line.c_str());
    }
  }
  switch (error.code) {
    case ECONNREFUSED:
    case ESRCH:
      return kExitNotRunning;
    case EACCES:
    case EPERM:
      return kExitNotAllowed;
    default:
      return kExitFailed;
  }
}

std::string usage_fault(const CLI::App& app, const CLI::ParseError& error) {
  const CLI::App* inner = &app;
  while (!inner->get_subcommands().empty()) inner = inner->get_subcommands().front();
  const bool wants_command = inner->get_require_subcommand_min() > inner->get_subcommands().size();
  if (error.get_name() != "RequiredError" || !wants_command) return error.what();
  std::string names;
  for (const CLI::App* command : inner->get_subcommands([](const CLI::App*) { return true; })) {
    names += (names.empty() ? "" : ", ") + command->get_name();
  }
  const std::vector<std::string> unknown = app.remaining(true);
  const std::string what =
      unknown.empty() ? "a command is missing" : "\"" + unknown.front() + "\": no such command";
  return what + "; there are " + names;
}

}  // namespace culvert
