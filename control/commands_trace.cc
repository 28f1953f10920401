// SPDX-License-Identifier: BSD-3-Clause
#include <signal.h>

#include <chrono>
#include <cstdio>
#include <memory>
#include <optional>
#include <string>
#include <thread>

#include "control/api/client.h"
#include "control/api/paths.h"
#include "control/api/trace_session.h"
#include "control/cli/pcapng.h"
#include "control/cli/trace.h"
#include "control/commands.h"

namespace culvert {
namespace {

constexpr std::chrono::milliseconds kBetweenQuestions{100};

volatile sig_atomic_t is_interrupted = 0;

struct TraceArguments {
  std::string instance{kDefaultInstance};
  std::string src;
  std::string dst;
  std::string protocol;
  std::uint16_t sport = 0;
  std::uint16_t dport = 0;
  std::uint32_t spi = 0;
  std::uint32_t count = 10;
  std::uint32_t seconds = 0;
  std::string pcap_file;
  bool is_both_ways = false;
  bool as_json = false;
};

Json request_of(const TraceArguments& arguments) {
  Json request = {{"do", "start"},
                  {"count", arguments.count},
                  {"both", arguments.is_both_ways},
                  {"bytes", !arguments.pcap_file.empty()}};
  if (!arguments.src.empty()) request["src"] = arguments.src;
  if (!arguments.dst.empty()) request["dst"] = arguments.dst;
  if (!arguments.protocol.empty()) request["protocol"] = arguments.protocol;
  if (arguments.sport != 0) request["sport"] = arguments.sport;
  if (arguments.dport != 0) request["dport"] = arguments.dport;
  if (arguments.spi != 0) request["spi"] = arguments.spi;
  return request;
}

// The end of a packet's way, as far as a trace can see it.
bool is_last_step(const Json& record) {
  const std::string stage = record.value("stage", "");
  return stage == "sealed" || stage == "passed" || stage == "to_linux" || stage == "dropped";
}

Result<void> capture(PcapngWriter& writer, const Json& record) {
  const auto bytes = bytes_of_hex(record.value("bytes", ""));
  if (bytes.empty()) return {};
  const bool is_wire = record.value("side", "") == "wire";
  return writer.write(is_wire ? PcapngWriter::Interface::wire : PcapngWriter::Interface::clear,
                      record.value("time_ns", std::uint64_t{0}), bytes, record.value("length", 0u),
                      record.value("packet", "") + ": " + trace_step(record));
}

class Trace {
 public:
  Trace(ApiClient& client, const TraceArguments& arguments)
      : client_(client), arguments_(arguments) {}

  // Until enough packets came to their end, the time is up or somebody interrupts.
  Result<void> run() {
    if (!arguments_.pcap_file.empty()) {
      auto writer = PcapngWriter::create(arguments_.pcap_file);
      if (!writer) return writer.error();
      writer_ = std::move(*writer);
    }
    const auto started = client_.ask("trace", request_of(arguments_));
    if (!started) return started.error();
    trace_ = started->value("trace", 0u);
    const auto begin = std::chrono::steady_clock::now();
    const auto is_over = [&] {
      const bool is_late = arguments_.seconds != 0 && std::chrono::steady_clock::now() - begin >=
                                                          std::chrono::seconds(arguments_.seconds);
      return is_interrupted != 0 || is_late || ended_ >= arguments_.count;
    };
    Result<void> done;
    while (done && !is_over()) {
      std::this_thread::sleep_for(kBetweenQuestions);
      done = read();
    }
    if (done) done = read();
    static_cast<void>(client_.ask("trace", {{"do", "stop"}, {"trace", trace_}}));
    if (lost_ != 0) {
      std::fprintf(stderr,
                   "culvert: %llu records were lost: packets came faster than they could "
                   "be told of\n",
                   static_cast<unsigned long long>(lost_));
    }
    return done;
  }

 private:
  Result<void> read() {
    for (bool is_all = false; !is_all;) {
      const auto page = client_.ask("trace", {{"do", "read"}, {"trace", trace_}});
      if (!page) return page.error();
      const Json records = page->value("records", Json::array());
      lost_ = page->value("lost", std::uint64_t{0});
      for (Json record : records) {
        if (const auto shown = show(record); !shown) return shown;
      }
      is_all = records.empty();
    }
    std::fflush(stdout);
    return writer_ ? writer_->flush() : Result<void>{};
  }

  Result<void> show(Json& record) {
    if (is_last_step(record)) ++ended_;
    if (writer_) {
      if (const auto captured = capture(*writer_, record); !captured) return captured;
      record.erase("bytes");
    }
    const std::string line = arguments_.as_json ? record.dump() : trace_line(record);
    std::printf("%s\n", line.c_str());
    return {};
  }

  ApiClient& client_;
  const TraceArguments& arguments_;
  std::optional<PcapngWriter> writer_;
  std::uint32_t trace_ = 0;
  std::uint64_t ended_ = 0;
  std::uint64_t lost_ = 0;
};

int run_trace(const TraceArguments& arguments) {
  if (const auto filter = trace_filter(request_of(arguments)); !filter) {
    complain(filter.error());
    return kExitUsage;
  }
  auto client = ApiClient::connect(arguments.instance);
  if (!client) return complain(client.error());
  signal(SIGINT, [](int) { is_interrupted = 1; });
  signal(SIGTERM, [](int) { is_interrupted = 1; });
  const auto done = Trace(*client, arguments).run();
  return done ? kExitOk : complain(done.error());
}

void add_filter_options(CLI::App& command, TraceArguments& arguments) {
  command.add_option("--src", arguments.src, "packets from this address or prefix");
  command.add_option("--dst", arguments.dst, "packets to this address or prefix");
  command.add_option("--proto", arguments.protocol,
                     "of this protocol: a number, icmp, icmpv6, tcp, udp, esp or gre");
  command.add_option("--sport", arguments.sport, "from this port; of ICMP its type");
  command.add_option("--dport", arguments.dport, "to this port; of ICMP its code");
  command.add_option("--spi", arguments.spi, "opened or sealed by SAs with this SPI");
  command.add_flag("--both", arguments.is_both_ways, "the flow's other direction, too");
}

}  // namespace

void add_trace_command(CLI::App& app, Action& action) {
  auto arguments = std::make_shared<TraceArguments>();
  CLI::App* command = app.add_subcommand(
      "trace", "follow packets through a running gateway: each verdict, SA and policy");
  add_filter_options(*command, *arguments);
  command->add_option("--count", arguments->count, "end after so many packets")
      ->check(CLI::Range(1, 1'000'000))
      ->capture_default_str();
  command->add_option("--seconds", arguments->seconds, "end after so long");
  add_instance_option(*command, arguments->instance);
  command->add_flag("--json", arguments->as_json, "print one line of JSON for each step");
  command->add_option("--pcap", arguments->pcap_file,
                      "write the packets, clear and on the wire, to this pcapng file (mode 0600)");
  command->footer(
      "The filter looks at packets as they are on the wire and as they are in clear. What ESP "
      "drops\n"
      "is only known by its outside: by --spi, or the tunnel's addresses.\n"
      "Examples:\n"
      "  culvert trace --src 10.1.0.2 --dst 10.2.0.2 --proto icmp --both --count 2\n"
      "  culvert trace --spi 0x1002 --seconds 10 --pcap sa.pcapng");
  command->callback(
      [&action, arguments] { action = [arguments] { return run_trace(*arguments); }; });
}

}  // namespace culvert
