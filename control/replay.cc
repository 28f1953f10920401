// SPDX-License-Identifier: BSD-3-Clause
#include "control/replay.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <memory>
#include <utility>

#include "control/api/client.h"
#include "control/api/paths.h"
#include "control/config.h"
#include "control/event_loop.h"
#include "control/netlink/netns.h"
#include "control/process.h"
#include "control/regions_server.h"

namespace culvert {
namespace {

using std::chrono::milliseconds;

constexpr milliseconds kPoll{2};
constexpr milliseconds kEndPatience{5000};
constexpr const char* kInstance = "replay";

// A directory that goes with its contents.
class TemporaryFolder {
 public:
  TemporaryFolder() {
    const char* base = std::getenv("TMPDIR");
    std::string pattern =
        fmt::format("{}/culvert-replay-XXXXXX", base == nullptr || *base == '\0' ? "/tmp" : base);
    if (mkdtemp(pattern.data()) != nullptr) path_ = pattern;
  }
  TemporaryFolder(const TemporaryFolder&) = delete;
  TemporaryFolder& operator=(const TemporaryFolder&) = delete;
  ~TemporaryFolder() {
    std::error_code code;
    if (!path_.empty()) std::filesystem::remove_all(path_, code);
  }
  [[nodiscard]] const std::filesystem::path& path() const { return path_; }

 private:
  std::filesystem::path path_;
};

Result<void> check_ports(const Config& config, const std::vector<PortCapture>& captures,
                         const char* option) {
  std::vector<std::string> names;
  for (const ConfigPort& port : config.ports) names.push_back(port.name);
  for (auto capture = captures.begin(); capture != captures.end(); ++capture) {
    if (std::find(names.begin(), names.end(), capture->port) == names.end()) {
      return Error{EINVAL, fmt::format("{} {}: no such port; the configuration has {}", option,
                                       capture->port, fmt::join(names, ", "))};
    }
    const auto is_same = [&](const PortCapture& other) { return other.port == capture->port; };
    if (std::any_of(captures.begin(), capture, is_same)) {
      return Error{EINVAL, fmt::format("{} {}: given twice", option, capture->port)};
    }
  }
  return {};
}

// What a line says is wrong; empty when it is one of the log.
std::string complaint_in(std::string_view line, std::string_view program) {
  const std::string head = fmt::format("{}: ", program);
  return line.starts_with(head) ? std::string(line.substr(head.size())) : "";
}

StartConfig replay_start_config(const Config& config) {
  StartConfig start = start_config(config, kInstance);
  start.worker_count = 1;
  start.worker_cores[0] = this_machine().cores.front();
  start.use_huge_pages = 0;
  for (std::size_t i = 0; i < config.ports.size(); ++i) start.ports[i].kind = PortKind::replay;
  return start;
}

// One private pair of processes.
class Replay {
 public:
  Replay(const Config& config, const ReplayOptions& options)
      : config_(config), options_(options), dataplane_(loop_), control_(loop_) {}
  Replay(const Replay&) = delete;
  Replay& operator=(const Replay&) = delete;
  ~Replay() {
    control_.end(kEndPatience);
    dataplane_.end(kEndPatience);
    if (regions_) regions_->wipe_keys();
  }

  Result<Json> run();

 private:
  Result<void> make_regions();
  Result<void> start_processes();
  void reap();
  void fail(int code, std::string message);
  Result<Json> collect();

  const Config& config_;
  const ReplayOptions& options_;
  TemporaryFolder folder_;
  EventLoop loop_;
  std::unique_ptr<RegionsServer> regions_;
  ChildProcess dataplane_;
  ChildProcess control_;
  std::string dataplane_said_;  // last: why it ended, when it did
  std::string control_said_;    // each fault a line
  std::optional<Error> failure_;
};

Result<void> Replay::make_regions() {
  if (folder_.path().empty()) {
    return Error{errno, fmt::format("cannot make a temporary directory: {}",
                                    std::generic_category().message(errno))};
  }
  auto name_space = current_network_namespace();
  if (!name_space) return name_space.error();
  Descriptors descriptors{};
  const std::string error =
      create_regions(region_sizes(config_), replay_start_config(config_), descriptors);
  descriptors[static_cast<std::size_t>(Descriptor::port_namespace)] = name_space->release();
  regions_ = std::make_unique<RegionsServer>(loop_, descriptors, folder_.path() / kRegionsSocket);
  if (!error.empty()) return Error{ENOMEM, error};
  return regions_->open();
}

Result<void> Replay::start_processes() {
  const auto dataplane = find_program("culvertd");
  if (!dataplane) return dataplane.error();
  const auto control = find_program("culvert-control");
  if (!control) return control.error();
  const std::string socket = (folder_.path() / kRegionsSocket).string();

  std::vector<std::string> dataplane_arguments = {dataplane->string(), "--regions", socket};
  const auto add = [&](const char* option, const std::string& value) {
    dataplane_arguments.emplace_back(option);
    dataplane_arguments.push_back(value);
  };
  for (const auto& in : options_.inputs) add("--replay-in", in.port + "=" + in.file.string());
  for (const auto& out : options_.outputs) add("--replay-out", out.port + "=" + out.file.string());
  if (options_.punt_file) add("--replay-punt", options_.punt_file->string());
  add("--burst", std::to_string(options_.burst));
  add("--seed", std::to_string(options_.seed));

  std::vector<std::string> control_arguments = {control->string(),
                                                "--config",
                                                config_.file.string(),
                                                "--instance",
                                                kInstance,
                                                "--regions",
                                                socket,
                                                "--replay"};
  for (const auto& file : options_.batch_files) {
    control_arguments.emplace_back("--xfrm");
    control_arguments.push_back(file.string());
  }
  loop_.on_signal(SIGCHLD, [this] { reap(); });
  const auto keep_dataplane = [this](const std::string& line) {
    dataplane_said_ = complaint_in(line, "culvertd");
  };
  const auto keep_control = [this](const std::string& line) {
    const std::string fault = complaint_in(line, "culvert-control");
    if (!fault.empty()) control_said_ += (control_said_.empty() ? "" : "\n") + fault;
  };
  if (const auto started = dataplane_.start(dataplane_arguments, keep_dataplane); !started) {
    return started;
  }
  return control_.start(control_arguments, keep_control);
}

void Replay::fail(int code, std::string message) {
  if (!failure_) failure_ = Error{code, std::move(message)};
  loop_.stop();
}

// A program that refuses ends with status 1 and has said why.
std::string reason_of(std::string_view program, int status, const std::string& said) {
  if (WIFEXITED(status) && WEXITSTATUS(status) == 1 && !said.empty()) return said;
  return fmt::format("{} {}", program, exit_text(status));
}

void Replay::reap() {
  int status = 0;
  if (dataplane_.reap(status)) fail(ECHILD, reason_of("culvertd", status, dataplane_said_));
  if (control_.reap(status)) fail(ECHILD, reason_of("culvert-control", status, control_said_));
}

Result<Json> Replay::run() {
  if (const auto made = make_regions(); !made) return made.error();
  loop_.on_signal(SIGINT, [this] { fail(EINTR, "interrupted"); });
  loop_.on_signal(SIGTERM, [this] { fail(EINTR, "terminated"); });
  if (const auto started = start_processes(); !started) return started.error();
  loop_.every(kPoll, [this] {
    if (regions_->phase() == DataplanePhase::replay_done) loop_.stop();
  });
  loop_.run();
  if (failure_) return *failure_;
  return collect();
}

// The counters as they stand at the end, without all that a clock has a part in.
Result<Json> Replay::collect() {
  auto client = ApiClient::connect_at(folder_.path() / kApiSocket, kInstance);
  if (!client) return client.error();
  auto result = client->ask("balance");
  if (!result) return result.error();
  result->erase("stable");
  const auto all_drops = client->ask("drops");
  if (!all_drops) return all_drops.error();
  const auto all_ports = client->ask("ports");
  if (!all_ports) return all_ports.error();
  const auto all_sas = client->ask_all("sa", "sas");
  if (!all_sas) return all_sas.error();

  Json drops = Json::object();
  for (const Json& drop : (*all_drops)["drops"]) {
    if (drop["packets"] != 0) drops[drop["name"].get<std::string>()] = drop["packets"];
  }
  Json ports = Json::object();
  for (const Json& port : (*all_ports)["ports"]) {
    Json& entry = ports[port["name"].get<std::string>()];
    for (const char* key : {"rx_packets", "rx_bytes", "tx_packets", "tx_bytes"}) {
      entry[key] = port[key];
    }
  }
  Json sas = Json::array();
  for (const Json& sa : (*all_sas)["sas"]) {
    Json& entry = sas.emplace_back(Json::object());
    for (const char* key : {"spi", "direction", "src", "dst", "encap", "mode", "algorithm", "esn",
                            "packets", "bytes", "drops", "replay"}) {
      if (sa.contains(key)) entry[key] = sa[key];
    }
  }
  (*result)["drops"] = std::move(drops);
  (*result)["ports"] = std::move(ports);
  (*result)["sas"] = std::move(sas);
  return result;
}

// Outputs are emptied before inputs are read, so none may be one of them, nor the same one twice.
Result<void> check_files_differ(const ReplayOptions& options) {
  std::vector<std::filesystem::path> files;
  for (const PortCapture& input : options.inputs) files.push_back(input.file);
  std::vector<std::filesystem::path> written;
  for (const PortCapture& output : options.outputs) written.push_back(output.file);
  if (options.punt_file) written.push_back(*options.punt_file);
  for (const std::filesystem::path& file : written) {
    for (const std::filesystem::path& other : files) {
      std::error_code error;
      const bool is_same = std::filesystem::equivalent(file, other, error) ||
                           std::filesystem::weakly_canonical(file, error) ==
                               std::filesystem::weakly_canonical(other, error);
      if (!is_same || std::filesystem::is_character_file(file, error)) continue;
      return Error{EINVAL, fmt::format("{}: given twice, each output needs a file of its own",
                                       file.string())};
    }
    files.push_back(file);
  }
  return {};
}

}  // namespace

Result<PortCapture> parse_port_capture(const std::string& text) {
  const std::size_t equals = text.find('=');
  if (equals == std::string::npos || equals == 0 || equals + 1 == text.size()) {
    return Error{EINVAL, fmt::format("\"{}\": must be PORT=FILE, such as wan=a.pcap", text)};
  }
  return PortCapture{text.substr(0, equals), text.substr(equals + 1)};
}

Result<Json> replay(const ReplayOptions& options) {
  const auto loaded = load_config(options.config_file, any_machine());
  for (const ConfigError& error : loaded.errors) {
    std::fprintf(stderr, "culvert: %s\n", error.text().c_str());
  }
  if (!loaded.config) return Error{code_of(loaded.errors), ""};
  const Config& config = *loaded.config;
  if (const auto ports = check_ports(config, options.inputs, "--in"); !ports) return ports.error();
  if (const auto ports = check_ports(config, options.outputs, "--out"); !ports) {
    return ports.error();
  }
  for (const PortCapture& input : options.inputs) {
    if (access(input.file.c_str(), R_OK) != 0) {
      return Error{errno, fmt::format("--in {}: cannot read {}: {}", input.port,
                                      input.file.string(), std::generic_category().message(errno))};
    }
  }
  if (auto distinct = check_files_differ(options); !distinct) return distinct.error();
  return Replay(config, options).run();
}

}  // namespace culvert
