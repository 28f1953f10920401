// SPDX-License-Identifier: BSD-3-Clause
#include "control/xfrm/batch.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <spdlog/spdlog.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <cstring>
#include <optional>
#include <string>

#include "control/event_loop.h"
#include "control/xfrm/batch_text.h"
#include "control/xfrm/exec.h"
#include "control/xfrm/netlink.h"
#include "control/xfrm/preload_protocol.h"
#include "control/xfrm/server.h"

namespace culvert::xfrm {
namespace {

constexpr std::chrono::seconds kPatience{30};  // without a sign of life from iproute2
constexpr std::size_t kLargestFileBytes = 256u << 20;
constexpr std::size_t kLargestErrorBytes = 4096;
constexpr std::size_t kMostFaults = 50;  // each takes a run of iproute2
constexpr std::array kPrograms = {"/usr/sbin/ip", "/sbin/ip", "/usr/bin/ip", "/bin/ip"};

Error system_error(const std::string& what) {
  const int code = errno;
  return {code, what + ": " + std::strerror(code)};
}

// A descriptor that is closed at the end.
class OwnedDescriptor {
 public:
  explicit OwnedDescriptor(int descriptor = -1) : descriptor_(descriptor) {}
  ~OwnedDescriptor() { reset(); }
  OwnedDescriptor(const OwnedDescriptor&) = delete;
  OwnedDescriptor& operator=(const OwnedDescriptor&) = delete;
  [[nodiscard]] int get() const { return descriptor_; }
  [[nodiscard]] int release() { return std::exchange(descriptor_, -1); }
  void reset(int descriptor = -1) {
    if (descriptor_ >= 0) close(descriptor_);
    descriptor_ = descriptor;
  }

 private:
  int descriptor_;
};

void warn_of_readers(const std::filesystem::path& file, int descriptor, std::string_view text) {
  struct stat status {};
  if (fstat(descriptor, &status) != 0 || (status.st_mode & 077) == 0 || !holds_keys(text)) return;
  spdlog::warn("{}: holds keys and is open to others (mode {:04o}): chmod 600 {}", file.string(),
               status.st_mode & 07777, file.string());
}

Result<SecretText> read_file(const std::filesystem::path& file) {
  OwnedDescriptor source(open(file.c_str(), O_RDONLY | O_CLOEXEC));
  if (source.get() < 0) return system_error(file.string());
  SecretText text;
  SecretText part(65536, '\0');  // on the heap, so that its allocator wipes it on every way out
  ssize_t count = 0;
  while ((count = read(source.get(), part.data(), part.size())) > 0) {
    text.append(part.data(), static_cast<std::size_t>(count));
    if (text.size() > kLargestFileBytes) {
      return Error{EFBIG, file.string() + ": longer than the 256 MiB that are allowed"};
    }
  }
  if (count < 0) return system_error(file.string());
  warn_of_readers(file, source.get(), text);
  return text;
}

// Text in memory, to be a program's standard input.
Result<int> in_memory(std::string_view text) {
  OwnedDescriptor copy(memfd_create("culvert-batch", MFD_CLOEXEC));
  if (copy.get() < 0) return system_error("memfd");
  std::size_t written = 0;
  while (written < text.size()) {
    const ssize_t count = write(copy.get(), text.data() + written, text.size() - written);
    if (count < 0) return system_error("memfd");
    written += static_cast<std::size_t>(count);
  }
  if (lseek(copy.get(), 0, SEEK_SET) != 0) return system_error("memfd");
  return copy.release();
}

// The child's side, between fork and exec: only what is safe there.
[[noreturn]] void become_iproute2(int input, int errors, int channel, char* const* environment) {
  sigset_t none;
  sigemptyset(&none);
  sigprocmask(SIG_SETMASK, &none, nullptr);
  signal(SIGPIPE, SIG_DFL);
  const rlimit no_core{0, 0};
  setrlimit(RLIMIT_CORE, &no_core);
  const int nowhere = open("/dev/null", O_WRONLY | O_CLOEXEC);
  const bool is_ready = nowhere >= 0 && dup2(input, STDIN_FILENO) >= 0 &&
                        dup2(nowhere, STDOUT_FILENO) >= 0 && dup2(errors, STDERR_FILENO) >= 0 &&
                        fcntl(channel, F_SETFD, 0) == 0;
  if (is_ready) {
    const std::array<const char*, 4> arguments{"ip", "-batch", "-", nullptr};
    for (const char* program : kPrograms) {
      execve(program, const_cast<char* const*>(arguments.data()), environment);
    }
  }
  constexpr std::string_view kText = "cannot run ip (iproute2)\n";
  if (write(STDERR_FILENO, kText.data(), kText.size()) < 0) _exit(126);
  _exit(127);
}

// How one run of `ip -batch` ended.
struct Outcome {
  int wait_status = 0;
  std::string errors;
  std::uint64_t commands_seen = 0;
  bool was_refused = false;  // by us: the last command seen
};

// One run of `ip -batch`, served by an event loop of its own.
class BatchRun {
 public:
  explicit BatchRun(SaManager& manager) : server_(loop_, manager, SaOrigin::manual) {}

  ~BatchRun() {
    if (error_pipe_.get() >= 0) loop_.unwatch(error_pipe_.get());
    if (process_.get() >= 0) loop_.unwatch(process_.get());
  }

  Result<Outcome> run(int input, const std::string& library) {
    if (auto started = start(input, library); !started) return started.error();
    while (!has_ended_ || error_pipe_.get() >= 0) {
      if (loop_.run_once(kPatience)) continue;
      kill(pid_, SIGKILL);
      waitpid(pid_, &outcome_.wait_status, 0);
      return Error{ETIMEDOUT, "iproute2 did nothing for 30 s and was ended"};
    }
    outcome_.commands_seen = server_.accepted_count();
    outcome_.was_refused = server_.refused_count() != 0;
    return outcome_;
  }

 private:
  Result<void> start(int input, const std::string& library) {
    std::array<int, 2> pipe_ends{};
    std::array<int, 2> channel_ends{};
    if (pipe2(pipe_ends.data(), O_CLOEXEC) != 0) return system_error("pipe");
    error_pipe_.reset(pipe_ends[0]);
    OwnedDescriptor child_errors(pipe_ends[1]);
    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, channel_ends.data()) != 0) {
      return system_error("socketpair");
    }
    server_.adopt_channel(channel_ends[0]);
    OwnedDescriptor child_channel(channel_ends[1]);

    std::array<std::string, 4> settings{
        "PATH=/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL=C", "LD_PRELOAD=" + with_preload(library),
        std::string(preload::kChannelVariable) + "=" + std::to_string(child_channel.get())};
    std::array<char*, 5> environment{};
    for (std::size_t i = 0; i < settings.size(); ++i) environment[i] = settings[i].data();

    pid_ = fork();
    if (pid_ < 0) return system_error("fork");
    if (pid_ == 0) {
      become_iproute2(input, child_errors.get(), child_channel.get(), environment.data());
    }
    watch_child();
    return {};
  }

  void watch_child() {
    fcntl(error_pipe_.get(), F_SETFL, O_NONBLOCK);
    loop_.watch(error_pipe_.get(), EPOLLIN, [this](std::uint32_t) { read_errors(); });
    process_.reset(static_cast<int>(syscall(SYS_pidfd_open, pid_, 0)));
    loop_.watch(process_.get(), EPOLLIN, [this](std::uint32_t) {
      if (waitpid(pid_, &outcome_.wait_status, WNOHANG) != pid_) return;
      loop_.unwatch(process_.get());
      process_.reset();
      has_ended_ = true;
    });
  }

  void read_errors() {
    std::array<char, 1024> part{};
    const ssize_t count = read(error_pipe_.get(), part.data(), part.size());
    if (count < 0 && (errno == EAGAIN || errno == EINTR)) return;
    if (count > 0) {
      const std::size_t room = kLargestErrorBytes - outcome_.errors.size();
      outcome_.errors.append(part.data(), std::min(room, static_cast<std::size_t>(count)));
      return;
    }
    loop_.unwatch(error_pipe_.get());
    error_pipe_.reset();
  }

  EventLoop loop_;
  XfrmServer server_;
  OwnedDescriptor error_pipe_;
  OwnedDescriptor process_;  // pidfd
  pid_t pid_ = -1;
  bool has_ended_ = false;
  Outcome outcome_;
};

// iproute2 does not name the command: most of its failures end it on the spot. But it stops at the
// first, and each command opens one XFRM socket: a refused one is the last that did, one that it
// could not parse is the next.
std::size_t failed_command(const Outcome& outcome) {
  return outcome.commands_seen - (outcome.was_refused ? 1 : 0);
}

// What is wrong in all files, in the order of files and lines.
class Faults {
 public:
  [[nodiscard]] bool are_enough() const { return messages_.size() >= kMostFaults; }

  void add(Error error) {
    if (messages_.empty()) code_ = error.code;
    messages_.push_back(std::move(error.message));
  }

  void add(const std::filesystem::path& file, std::vector<BatchFault> faults) {
    std::ranges::stable_sort(faults, {}, &BatchFault::line);
    for (const BatchFault& fault : faults) {
      const std::string place = fault.line == 0 ? "" : ":" + std::to_string(fault.line);
      add({EINVAL, file.string() + place + ": " + fault.message});
    }
  }

  [[nodiscard]] Result<void> result() const {
    if (messages_.empty()) return {};
    std::string text;
    for (const std::string& message : messages_) text += message + "\n";
    if (are_enough()) {
      text += "there may be more faults: reading ends after " + std::to_string(kMostFaults);
    } else {
      text.pop_back();
    }
    return Error{code_, text};
  }

 private:
  int code_ = 0;  // of the first
  std::vector<std::string> messages_;
};

// The faults of the commands. A run ends with the first one, and the next begins behind it, with
// what the runs before have made.
Result<std::vector<BatchFault>> run_commands(SaManager& manager, std::string_view text,
                                             std::span<const BatchCommand> commands,
                                             const std::string& library) {
  std::vector<BatchFault> faults;
  while (!commands.empty() && faults.size() < kMostFaults) {
    const auto input = in_memory(text.substr(commands.front().start));
    if (!input) return input.error();
    const OwnedDescriptor owned_input(*input);
    const auto outcome = BatchRun(manager).run(*input, library);
    if (!outcome) return outcome.error();
    if (WIFEXITED(outcome->wait_status) && WEXITSTATUS(outcome->wait_status) == 0) break;
    const std::size_t failed = failed_command(*outcome);
    const BatchCommand command = failed < commands.size() ? commands[failed] : BatchCommand{};
    std::string why =
        without_keys(outcome->errors, text.substr(command.start, command.end - command.start));
    if (why.empty()) why = "iproute2 ended with status " + std::to_string(outcome->wait_status);
    faults.push_back({command.line, std::move(why)});
    commands = commands.subspan(std::min(failed + 1, commands.size()));
  }
  return faults;
}

Result<void> load_batch(SaManager& manager, const std::filesystem::path& file,
                        const std::string& library, Faults& faults) {
  auto text = read_file(file);
  if (!text) return text.error();
  if (text->find('\0') != SecretText::npos) {
    return Error{EINVAL, file.string() + ": contains a zero byte: only text is allowed"};
  }
  BatchCommands commands = batch_commands(*text);
  // iproute2 must not see what is not allowed, but still the lines that it takes.
  for (const BatchCommand& other : commands.others) {
    std::replace_if(
        text->begin() + static_cast<std::ptrdiff_t>(other.start),
        text->begin() + static_cast<std::ptrdiff_t>(other.end),
        [](char letter) { return letter != '\n'; }, ' ');
  }
  auto found = run_commands(manager, *text, commands.taken, library);
  if (!found) return Error{found.error().code, file.string() + ": " + found.error().message};
  found->insert(found->end(), commands.faults.begin(), commands.faults.end());
  faults.add(file, std::move(*found));
  return {};
}

}  // namespace

Result<void> load_batches(SaManager& manager, std::span<const std::filesystem::path> files) {
  const auto library = find_preload_library();
  if (!library) return library.error();
  manager.begin();
  Faults faults;
  for (const std::filesystem::path& file : files) {
    if (faults.are_enough()) break;
    if (auto loaded = load_batch(manager, file, *library, faults); !loaded) {
      faults.add(loaded.error());
    }
  }
  if (const auto found = faults.result(); !found) {
    manager.rollback();
    return found;
  }
  return manager.commit();
}

}  // namespace culvert::xfrm
