// SPDX-License-Identifier: BSD-3-Clause
#include "control/detach.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstdlib>

namespace culvert {

std::optional<Detachment> Detachment::start() {
  std::array<int, 2> ends{};
  if (pipe2(ends.data(), O_CLOEXEC) != 0) return std::nullopt;
  const pid_t child = fork();
  if (child < 0) {
    close(ends[0]);
    close(ends[1]);
    return std::nullopt;
  }
  if (child == 0) {
    close(ends[0]);
    setsid();
    // Nobody's directory is held; everything of the command line is absolute by now.
    if (chdir("/") != 0) return std::nullopt;
    prctl(PR_SET_PDEATHSIG, SIGTERM);  // Ctrl-C at the shell ends a start that is under way
    return Detachment(ends[1]);
  }
  close(ends[1]);
  char byte = 0;
  ssize_t count = 0;
  do {
    count = read(ends[0], &byte, 1);
  } while (count < 0 && errno == EINTR);
  if (count == 1) _exit(0);
  int status = 0;
  waitpid(child, &status, 0);
  _exit(WIFEXITED(status) ? WEXITSTATUS(status) : 1);
}

void Detachment::become_ready(const std::filesystem::path& log_file) {
  const int log = open(log_file.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0640);
  const int null = open("/dev/null", O_RDWR | O_CLOEXEC);
  dup2(null, STDIN_FILENO);
  dup2(log >= 0 ? log : null, STDOUT_FILENO);
  dup2(log >= 0 ? log : null, STDERR_FILENO);
  if (log >= 0) close(log);
  close(null);
  prctl(PR_SET_PDEATHSIG, 0);
  const char byte = 'r';
  [[maybe_unused]] const ssize_t written = write(pipe_, &byte, 1);
  close(pipe_);
  pipe_ = -1;
}

}  // namespace culvert
