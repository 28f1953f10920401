// SPDX-License-Identifier: BSD-3-Clause
#include "tests/unit/control/xfrm/xfrm_fixture.h"

#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cstdlib>
#include <fstream>
#include <regex>
#include <sstream>
#include <vector>

#include "control/xfrm/exec.h"
#include "control/xfrm/preload_protocol.h"

namespace culvert::test {
namespace {

constexpr RegionSizes kSizes{.max_sas = 4096, .max_policies = 256, .window_slots = 65536};
constexpr std::chrono::seconds kPatience{20};

}  // namespace

XfrmFixture::XfrmFixture() {
  std::string pattern = std::filesystem::temp_directory_path() / "culvert-xfrm-XXXXXX";
  directory_ = mkdtemp(pattern.data());
  socket_path_ = directory_ / "xfrm.sock";
  EXPECT_EQ(create_regions(kSizes, StartConfig{}, descriptors_), "");
  EXPECT_EQ(regions_.attach(descriptors_, culvert::Side::control), "");
  EXPECT_EQ(dataplane_.attach(descriptors_, culvert::Side::dataplane), "");
  SaManagerOptions options;
  options.floor_storage = FloorStorage::in_memory;
  // As a fresh kernel: what no policy matches passes.
  options.default_verdict = PolicyVerdict::allow;
  options.is_our_address = [](Family family, const IpAddress& address) {
    return family == Family::v4 && address == IpAddress::v4(Be32{0xc0000201});
  };
  manager_ = std::make_unique<SaManager>(regions_, channel_, options);
  server_ = std::make_unique<xfrm::XfrmServer>(loop_, *manager_, SaOrigin::automatic);
  const auto listening = server_->listen(socket_path_, std::nullopt);
  EXPECT_TRUE(listening) << listening.error().message;
}

XfrmFixture::~XfrmFixture() {
  if (background_ > 0) end();
  server_.reset();
  for (const int descriptor : descriptors_) {
    if (descriptor > 0) close(descriptor);
  }
  std::filesystem::remove_all(directory_);
}

pid_t XfrmFixture::spawn(const std::string& command, Side side) {
  const auto library = xfrm::find_preload_library();
  EXPECT_TRUE(library) << library.error().message;
  const std::string output = directory_ / "output";
  const pid_t pid = fork();
  if (pid != 0) return pid;
  const int file = open(output.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
  if (file < 0 || dup2(file, STDOUT_FILENO) < 0 || dup2(file, STDERR_FILENO) < 0) _exit(126);
  // The preloaded shell hands the library on to what it starts. Sanitizers do not like to come
  // second, and the programs have none.
  std::string script = "ip link set lo up; " + command;
  if (side == Side::culvert) {
    setenv(preload::kSocketVariable, socket_path_.c_str(), 1);
    setenv("LD_PRELOAD", library->c_str(), 1);
  }
  const char* const flags = geteuid() == 0 ? "-n" : "-rn";
  execlp("unshare", "unshare", flags, "sh", "-c", script.c_str(), nullptr);
  _exit(127);
}

void XfrmFixture::pump(std::chrono::milliseconds duration) {
  const auto end = std::chrono::steady_clock::now() + duration;
  while (std::chrono::steady_clock::now() < end) loop_.run_once(std::chrono::milliseconds(5));
}

Outcome XfrmFixture::collect(pid_t pid) {
  Outcome outcome;
  int status = 0;
  const auto limit = std::chrono::steady_clock::now() + kPatience;
  while (waitpid(pid, &status, WNOHANG) == 0) {
    loop_.run_once(std::chrono::milliseconds(2));
    if (std::chrono::steady_clock::now() > limit) {
      ADD_FAILURE() << "the program did not end";
      kill(pid, SIGKILL);
      waitpid(pid, &status, 0);
      break;
    }
  }
  if (WIFEXITED(status)) outcome.status = WEXITSTATUS(status);
  std::ifstream file(directory_ / "output");
  std::stringstream text;
  text << file.rdbuf();
  outcome.output = text.str();
  return outcome;
}

Outcome XfrmFixture::run_with(const std::string& command, Side side) {
  return collect(spawn(command, side));
}

void XfrmFixture::start(const std::string& command) {
  background_ = spawn("exec " + command, Side::culvert);
}

Outcome XfrmFixture::end() {
  kill(background_, SIGTERM);
  const Outcome outcome = collect(background_);
  background_ = -1;
  return outcome;
}

std::string normalized(const std::string& output) {
  static const std::regex kAddTime("add [0-9]{4}-[0-9]{2}-[0-9]{2} [0-9:]{8}");
  std::vector<std::string> entries(1);
  static const std::regex kIndex("(allow|block) index [0-9]+");
  std::stringstream lines(std::regex_replace(std::regex_replace(output, kAddTime, "add (time)"),
                                             kIndex, "$1 index (number)"));
  for (std::string line; std::getline(lines, line);) {
    if (!line.starts_with('\t')) entries.emplace_back();
    entries.back() += line + "\n";
  }
  std::sort(entries.begin(), entries.end());
  std::string result;
  for (const std::string& entry : entries) result += entry;
  return result;
}

}  // namespace culvert::test
