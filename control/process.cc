// SPDX-License-Identifier: BSD-3-Clause
#include "control/process.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <signal.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstddef>
#include <cstdlib>
#include <cstring>
#include <thread>
#include <utility>

namespace culvert {
namespace {

constexpr std::size_t kLongestLine = 4096;

Error system_error(std::string_view what) {
  const int code = errno;
  return {code, fmt::format("{}: {}", what, std::generic_category().message(code))};
}

// Between fork and exec: only what is safe there.
[[noreturn]] void become(const std::vector<char*>& arguments, int output_pipe, pid_t parent) {
  prctl(PR_SET_PDEATHSIG, SIGTERM);
  if (getppid() != parent) _exit(127);
  sigset_t none;
  sigemptyset(&none);
  sigprocmask(SIG_SETMASK, &none, nullptr);
  signal(SIGPIPE, SIG_DFL);
  const int null = open("/dev/null", O_RDWR);
  dup2(null, STDIN_FILENO);
  // Whoever reads our own output would wait for its end as long as the child lives.
  dup2(output_pipe, STDOUT_FILENO);
  dup2(output_pipe, STDERR_FILENO);
  execv(arguments[0], arguments.data());
  const char text[] = "cannot be executed\n";
  [[maybe_unused]] const ssize_t written = write(STDERR_FILENO, text, sizeof text - 1);
  _exit(127);
}

}  // namespace

void keep_memory_private() {
  const rlimit none{0, 0};
  setrlimit(RLIMIT_CORE, &none);
  prctl(PR_SET_DUMPABLE, 0);
}

Result<std::filesystem::path> find_program(std::string_view name) {
  std::error_code code;
  const auto self = std::filesystem::read_symlink("/proc/self/exe", code);
  const auto folder = self.parent_path();
  for (const char* place : {".", "../dataplane", "../control", "../sbin", "../bin", "../libexec",
                            "../libexec/culvert", "../lib/culvert"}) {
    const auto candidate = (folder / place / name).lexically_normal();
    if (access(candidate.c_str(), X_OK) == 0 && !std::filesystem::is_directory(candidate, code)) {
      return candidate;
    }
  }
  return Error{ENOENT, fmt::format("cannot find the program {} near {}: build or install it", name,
                                   folder.string())};
}

void notify_service_manager(std::string_view state) {
  const char* path = std::getenv("NOTIFY_SOCKET");
  if (path == nullptr || *path == '\0') return;
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  const std::size_t length = std::strlen(path);
  if (length >= sizeof address.sun_path) return;
  std::memcpy(address.sun_path, path, length);
  if (path[0] == '@') address.sun_path[0] = '\0';
  const int descriptor = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
  if (descriptor < 0) return;
  sendto(descriptor, state.data(), state.size(), MSG_NOSIGNAL,
         reinterpret_cast<const sockaddr*>(&address),
         static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + length));
  close(descriptor);
}

std::string exit_text(int wait_status) {
  if (WIFSIGNALED(wait_status)) {
    const int number = WTERMSIG(wait_status);
    return fmt::format("was killed by signal {} ({})", number, strsignal(number));
  }
  return fmt::format("ended with status {}", WEXITSTATUS(wait_status));
}

ChildProcess::~ChildProcess() {
  end(std::chrono::milliseconds{0});
}

Result<void> ChildProcess::start(const std::vector<std::string>& arguments, LineCallback on_line) {
  std::array<int, 2> ends{};
  if (pipe2(ends.data(), O_CLOEXEC) != 0) return system_error("cannot create a pipe");
  std::vector<std::string> copies = arguments;
  std::vector<char*> raw;
  for (std::string& argument : copies) raw.push_back(argument.data());
  raw.push_back(nullptr);
  const pid_t parent = getpid();
  const pid_t pid = fork();
  if (pid == 0) become(raw, ends[1], parent);
  close(ends[1]);
  if (pid < 0) {
    close(ends[0]);
    return system_error("cannot start a process");
  }
  pid_ = pid;
  pipe_ = ends[0];
  on_line_ = std::move(on_line);
  partial_line_.clear();
  fcntl(pipe_, F_SETFL, O_NONBLOCK);
  loop_.watch(pipe_, EPOLLIN, [this](std::uint32_t) { read_lines(); });
  return {};
}

void ChildProcess::read_lines() {
  std::array<char, 4096> buffer;
  while (pipe_ >= 0) {
    const ssize_t count = read(pipe_, buffer.data(), buffer.size());
    if (count < 0) return;
    if (count == 0) {
      if (!partial_line_.empty()) on_line_(std::exchange(partial_line_, {}));
      close_pipe();
      return;
    }
    for (const char letter : std::string_view(buffer.data(), static_cast<std::size_t>(count))) {
      if (letter != '\n') partial_line_.push_back(letter);
      if (letter == '\n' || partial_line_.size() == kLongestLine) {
        on_line_(std::exchange(partial_line_, {}));
      }
    }
  }
}

void ChildProcess::close_pipe() {
  if (pipe_ < 0) return;
  loop_.unwatch(pipe_);
  close(std::exchange(pipe_, -1));
}

bool ChildProcess::reap(int& wait_status) {
  if (pid_ <= 0 || waitpid(pid_, &wait_status, WNOHANG) != pid_) return false;
  pid_ = 0;
  read_lines();
  close_pipe();
  return true;
}

void ChildProcess::end(std::chrono::milliseconds patience) {
  if (pid_ <= 0) return;
  kill(pid_, SIGTERM);
  int status = 0;
  const auto deadline = std::chrono::steady_clock::now() + patience;
  while (!reap(status)) {
    read_lines();  // so that it cannot block on a full pipe
    if (std::chrono::steady_clock::now() >= deadline) kill(pid_, SIGKILL);
    std::this_thread::sleep_for(std::chrono::milliseconds{2});
  }
}

}  // namespace culvert
