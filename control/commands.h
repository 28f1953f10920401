// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <CLI/CLI.hpp>
#include <functional>
#include <string>
#include <vector>

#include "control/result.h"

namespace culvert {

// Exit codes of `culvert`; --help says them too.
inline constexpr int kExitOk = 0;
inline constexpr int kExitFailed = 1;
inline constexpr int kExitUsage = 2;
inline constexpr int kExitNotRunning = 3;
inline constexpr int kExitNotAllowed = 4;
inline constexpr int kExitWouldChange = 5;
inline constexpr int kExitNeedsRestart = 6;
// As the shell says it, of the command that `exec` is to run.
inline constexpr int kExitNoCommand = 126;
inline constexpr int kExitNoSuchCommand = 127;

// What the command line asks for: the subcommand's callback puts it here, main runs it.
using Action = std::function<int()>;

// Each adds its subcommands to `app`.
void add_show_commands(CLI::App& app, Action& action);    // show ...
void add_events_command(CLI::App& app, Action& action);   // events
void add_trace_command(CLI::App& app, Action& action);    // trace
void add_policy_commands(CLI::App& app, Action& action);  // policy add, policy delete
void add_reload_command(CLI::App& app, Action& action);   // reload
void add_stress_command(CLI::App& app, Action& action);   // stress sa
void add_run_commands(CLI::App& app, Action& action);     // up, down, hold, check, exec, ip, replay

// What an option's check says: nothing, or what is wrong with the word behind it.
using OptionCheck = std::function<std::string(const std::string&)>;
// CLI11 takes -1 for the largest number there is.
[[nodiscard]] OptionCheck unsigned_check();

// Adds --instance NAME.
void add_instance_option(CLI::App& command, std::string& instance);

// The command line's words, without the "--" before the command of `exec` and `ip`: CLI11 takes
// what follows that for the program's own arguments, not the subcommand's.
[[nodiscard]] std::vector<std::string> command_words(std::vector<std::string> words);

// Prints "culvert: what is wrong" unless it was printed already, and gives the exit code.
int complain(const Error& error);

// What is wrong with a command line that CLI11 refused. Of a missing or unknown command it says
// only that one is required; this names the word, and the commands there are.
[[nodiscard]] std::string usage_fault(const CLI::App& app, const CLI::ParseError& error);

}  // namespace culvert
