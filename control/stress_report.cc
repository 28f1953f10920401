// SPDX-License-Identifier: BSD-3-Clause
// How a stress run is told: table, JSON, and a plot by gnuplot.
#include <fcntl.h>
#include <fmt/format.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cmath>
#include <system_error>

#include "control/stress_sa.h"

extern char** environ;

namespace culvert {
namespace {

double rounded(double value) {
  return std::round(value * 1000) / 1000;
}

std::string script_of(const StressReport& report) {
  std::string script =
      "set terminal svg size 900,420 dynamic background rgb 'white'\n"
      "set title 'culvert stress sa'\nset xlabel 'second'\n"
      "set ylabel 'SA operations a second'\nset y2label 'packets lost'\n"
      "set ytics nomirror\nset y2tics\nset yrange [0:*]\n"
      "set style fill solid 0.6\nset boxwidth 0.8\nset key outside below\n$slices << END\n";
  std::uint64_t most_lost = 1;  // an axis without any height is none
  for (std::size_t i = 0; i < report.slices.size(); ++i) {
    most_lost = std::max(most_lost, report.slices[i].lost_packets);
    const StressSlice& slice = report.slices[i];
    script +=
        fmt::format("{} {} {}\n", i + 1, static_cast<double>(slice.operations) / slice.seconds,
                    slice.lost_packets);
  }
  return script + fmt::format("END\nset y2range [0:{}]\n", most_lost) +
         "plot $slices using 1:2 with boxes title 'operations', "
         "$slices using 1:3 axes x1y2 with linespoints title 'packets lost'\n";
}

Error system_error(const std::string& what, int code) {
  return {code, what + ": " + std::generic_category().message(code)};
}

// gnuplot reads the script from one descriptor and draws to another.
Result<void> run_gnuplot(int script, int output) {
  posix_spawn_file_actions_t actions;
  posix_spawn_file_actions_init(&actions);
  posix_spawn_file_actions_adddup2(&actions, script, STDIN_FILENO);
  posix_spawn_file_actions_adddup2(&actions, output, STDOUT_FILENO);
  char name[] = "gnuplot";
  char* arguments[] = {name, nullptr};
  pid_t process = 0;
  const int failure = posix_spawnp(&process, name, &actions, nullptr, arguments, environ);
  posix_spawn_file_actions_destroy(&actions);
  if (failure == ENOENT) {
    return Error{ENOENT, "--svg: needs gnuplot, of Debian's package gnuplot-nox"};
  }
  if (failure != 0) return system_error("gnuplot", failure);
  int status = 0;
  while (waitpid(process, &status, 0) < 0 && errno == EINTR) {
  }
  if (status == 0) return {};
  return Error{EIO, fmt::format("gnuplot ended with status {}", status)};
}

}  // namespace

Json stress_json(const StressReport& report, const StressOptions& options) {
  Json slices = Json::array();
  for (const StressSlice& slice : report.slices) {
    slices.push_back({{"has_updates", slice.has_updates},
                      {"seconds", rounded(slice.seconds)},
                      {"operations", slice.operations},
                      {"lost_packets", slice.lost_packets}});
  }
  return {{"operations", report.operations},
          {"operations_per_second", std::round(report.operations_per_second)},
          {"lost_packets", report.lost_packets},
          {"p999_added_latency_us", nullptr},  // not to be seen from here
          {"bytes_per_sa", report.bytes_per_sa},
          {"transform", options.transform},
          {"churn_percent", options.churn_percent},
          {"sas", report.sas},
          {"fill_seconds", rounded(report.fill_seconds)},
          {"dump_seconds", rounded(report.dump_seconds)},
          {"clean_up_seconds", rounded(report.clean_up_seconds)},
          {"longest_batch_ms", rounded(report.longest_batch_ms)},
          {"packets", report.packets},
          {"lost_packets_without_updates", report.lost_packets_without},
          {"slices", slices}};
}

std::string stress_text(const StressReport& report) {
  const auto row = [](const char* what, const std::string& value) {
    return fmt::format("{:<38} {:>14}\n", what, value);
  };
  const auto seconds = [](double value) { return fmt::format("{:.3f}", value); };
  return row("SAs", std::to_string(report.sas)) +
         row("filled in [s]", seconds(report.fill_seconds)) +
         row("dump of all with counters [s]", seconds(report.dump_seconds)) +
         row("operations", std::to_string(report.operations)) +
         row("operations a second, while updating",
             fmt::format("{:.0f}", report.operations_per_second)) +
         row("longest batch [ms]", seconds(report.longest_batch_ms)) +
         row("packets received meanwhile", std::to_string(report.packets)) +
         row("packets lost with updates", std::to_string(report.lost_packets)) +
         row("packets lost without", std::to_string(report.lost_packets_without)) +
         row("memory per SA [bytes]",
             report.bytes_per_sa.is_null() ? "-" : report.bytes_per_sa.dump()) +
         row("cleaned up in [s]", seconds(report.clean_up_seconds));
}

Result<void> plot_stress(const StressReport& report, const std::string& file) {
  const int output = open(file.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
  if (output < 0) return system_error(file, errno);
  // The script fits into the pipe, unless the run was very long.
  int pipe_ends[2];
  if (pipe2(pipe_ends, O_CLOEXEC) != 0) {
    close(output);
    return system_error("pipe", errno);
  }
  const std::string script = script_of(report);
  fcntl(pipe_ends[1], F_SETPIPE_SZ, static_cast<int>(script.size()) + 1);
  fcntl(pipe_ends[1], F_SETFL, O_NONBLOCK);
  const ssize_t written = write(pipe_ends[1], script.data(), script.size());
  close(pipe_ends[1]);
  Result<void> done = Error{E2BIG, "--svg: too many seconds to be drawn"};
  if (written == static_cast<ssize_t>(script.size())) done = run_gnuplot(pipe_ends[0], output);
  close(pipe_ends[0]);
  close(output);
  if (!done) unlink(file.c_str());
  return done;
}

}  // namespace culvert
