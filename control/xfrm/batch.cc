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
#include <regex>
#include <string>

#include "control/event_loop.h"
#include "control/xfrm/exec.h"
#include "control/xfrm/netlink.h"
#include "control/xfrm/preload_protocol.h"
#include "control/xfrm/server.h"

namespace culvert::xfrm {
namespace {

using SecretText = std::basic_string<char, std::char_traits<char>, WipingAllocator<char>>;

constexpr std::chrono::seconds kPatience{30};  // without a sign of life from iproute2
constexpr std::size_t kLargestFileBytes = 256u << 20;
constexpr std::size_t kLargestErrorBytes = 4096;
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

std::string_view first_word(std::string_view& rest) {
  constexpr std::string_view kSpace = " \t\r\n\\";
  const std::size_t start = rest.find_first_not_of(kSpace);
  if (start == std::string_view::npos) return rest = {};
  const std::size_t end = std::min(rest.find_first_of(kSpace, start), rest.size());
  const std::string_view word = rest.substr(start, end - start);
  rest.remove_prefix(end);
  return word;
}

// Words of "xfrm state" that a key follows. A comment that has one of them counts too.
bool holds_keys(std::string_view text) {
  constexpr std::array<std::string_view, 4> kBeforeKeys = {"aead ", "enc ", "auth ", "auth-trunc "};
  return std::ranges::any_of(kBeforeKeys, [text](std::string_view word) {
    return text.find(word) != std::string_view::npos;
  });
}

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

// The file's text in memory, to be a program's standard input.
Result<int> in_memory(const SecretText& text) {
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

// iproute2's words on one line, without a line number (we say it ourselves) and without keys.
std::string readable(const std::string& errors) {
  static const std::regex kLineNumber("Command failed -:[0-9]+");
  static const std::regex kQuoted("\"[^\"]{17,}\"");
  static const std::regex kBreaks("\\s*\n\\s*");
  static const std::regex kEdges("^[\\s;]+|[\\s;]+$");
  std::string text = std::regex_replace(errors, kLineNumber, "");
  if (text.find("KEY") != std::string::npos) {
    text = std::regex_replace(text, kQuoted, "\"(not shown)\"");
  }
  text = std::regex_replace(text, kBreaks, "; ");
  return std::regex_replace(text, kEdges, "");
}

// iproute2 does not name the line: most of its failures end it on the spot. But it stops at the
// first, and each command opens one XFRM socket: a refused one is the last that did, one that it
// could not parse is the next. 0: neither.
std::uint32_t failed_line(const Outcome& outcome, const std::vector<std::uint32_t>& lines) {
  const std::uint64_t command = outcome.commands_seen - (outcome.was_refused ? 1 : 0);
  return command < lines.size() ? lines[command] : 0;
}

Result<void> load_batch(SaManager& manager, const std::filesystem::path& file,
                        const std::string& library) {
  const auto text = read_file(file);
  if (!text) return text.error();
  if (text->find('\0') != SecretText::npos) {
    return Error{EINVAL, file.string() + ": contains a zero byte: only text is allowed"};
  }
  const auto lines = check_batch(*text, file.string());
  if (!lines) return lines.error();
  const auto input = in_memory(*text);
  if (!input) return input.error();
  OwnedDescriptor owned_input(*input);
  const auto outcome = BatchRun(manager).run(*input, library);
  if (!outcome) return Error{outcome.error().code, file.string() + ": " + outcome.error().message};
  if (WIFEXITED(outcome->wait_status) && WEXITSTATUS(outcome->wait_status) == 0) return {};
  const std::uint32_t line = failed_line(*outcome, *lines);
  std::string why = readable(outcome->errors);
  if (why.empty()) why = "iproute2 ended with status " + std::to_string(outcome->wait_status);
  return Error{EINVAL, file.string() + (line != 0 ? ":" + std::to_string(line) : "") + ": " + why};
}

}  // namespace

Result<std::vector<std::uint32_t>> check_batch(std::string_view text, const std::string& name) {
  std::vector<std::uint32_t> lines;
  std::uint32_t number = 0;
  while (!text.empty()) {
    // One command, as iproute2 reads it: comments go, a backslash at the end joins the next line.
    SecretText command;
    const std::uint32_t first = number + 1;
    bool is_continued = true;
    while (is_continued && !text.empty()) {
      const std::size_t end = std::min(text.find('\n'), text.size());
      std::string_view line = text.substr(0, end);
      const bool has_newline = end < text.size();
      text.remove_prefix(std::min(end + 1, text.size()));
      ++number;
      line = line.substr(0, line.find('#'));
      is_continued = has_newline && line.ends_with('\\');
      // Two words say what a command is; more of it is not copied, it may be a key.
      if (command.size() < 64) command.append(line.substr(0, 64)).push_back(' ');
    }
    std::string_view rest = command;
    const std::string_view program = first_word(rest);
    if (program.empty()) continue;
    const std::string_view object = first_word(rest);
    if (program != "xfrm" || (object != "state" && object != "policy")) {
      return Error{EINVAL, name + ":" + std::to_string(first) + ": \"" + std::string(program) +
                               " " + std::string(object) +
                               "\": only \"xfrm state ...\" and \"xfrm policy ...\" are allowed"};
    }
    lines.push_back(number);
  }
  return lines;
}

Result<void> load_batches(SaManager& manager, std::span<const std::filesystem::path> files) {
  const auto library = find_preload_library();
  if (!library) return library.error();
  manager.begin();
  for (const std::filesystem::path& file : files) {
    if (auto loaded = load_batch(manager, file, *library); !loaded) {
      manager.rollback();
      return loaded;
    }
  }
  return manager.commit();
}

}  // namespace culvert::xfrm
