// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <atomic>
#include <chrono>
#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "control/api/client.h"
#include "control/api/sa_batch.h"
#include "control/result.h"

// `culvert stress sa`: fills, churns and measures the SA table of a running gateway by the API's
// sa_batch, as a key manager with very many peers would.

namespace culvert {

struct StressOptions {
  std::uint32_t count = 10'000;      // of SAs
  std::uint64_t rate = 0;            // operations a second; 0: as fast as it goes
  std::uint32_t churn_percent = 50;  // of the operations that replace an SA, not change it
  std::uint32_t seconds = 10;        // of churn, every other one without updates
  std::string transform = "aes128-gcm";
};

// One second, with updates or without.
struct StressSlice {
  bool has_updates = false;
  double seconds = 0;
  std::uint64_t operations = 0;
  std::uint64_t lost_packets = 0;
};

struct StressReport {
  std::uint32_t sas = 0;
  double fill_seconds = 0;
  double dump_seconds = 0;  // of all SAs of the gateway, with counters
  double clean_up_seconds = 0;
  std::uint64_t operations = 0;  // while churning; a replacement is two
  double operations_per_second = 0;
  double longest_batch_ms = 0;
  std::uint64_t lost_packets = 0;          // in seconds with updates
  std::uint64_t lost_packets_without = 0;  // in those between
  std::uint64_t packets = 0;               // that the workers took meanwhile
  Json bytes_per_sa;                       // null: not to be read, or used before
  std::vector<StressSlice> slices;
};

// What it makes stays within 198.18.0.0/15 (RFC 2544: for benchmarks) and has a reqid of its own,
// by which all of it is found again and removed, whatever happens but SIGKILL.
class StressRun {
 public:
  using Progress = std::function<void(const std::string&)>;

  StressRun(ApiClient& client, StressOptions options, const std::atomic<bool>& is_interrupted,
            Progress progress);

  // EEXIST: the range is in use; ENOBUFS: max_sas is too small; else what control says.
  [[nodiscard]] Result<StressReport> run();

 private:
  struct Counters {
    std::uint64_t lost = 0;
    std::uint64_t packets = 0;
  };
  using Clock = std::chrono::steady_clock;

  [[nodiscard]] Result<void> check_room();
  [[nodiscard]] Result<void> check_range();
  [[nodiscard]] Result<void> fill();
  [[nodiscard]] Result<void> churn();
  [[nodiscard]] Result<StressSlice> run_slice(bool has_updates);
  [[nodiscard]] Result<void> clean_up();
  // Calls back for each SA that the gateway has.
  [[nodiscard]] Result<void> for_each_sa(const std::function<void(const SaDumpRecord&)>& visit);
  [[nodiscard]] Result<Counters> counters();
  [[nodiscard]] Result<std::uint64_t> memory_bytes();
  void put(SaBatchOp op, std::uint32_t place);
  void put_change();
  [[nodiscard]] Result<void> send();

  ApiClient& client_;
  const StressOptions options_;
  const std::atomic<bool>& is_interrupted_;
  Progress progress_;
  const std::uint64_t batch_records_;
  std::uint32_t reqid_ = 0;
  std::size_t key_bytes_ = 0;
  std::vector<std::uint32_t> spis_;  // by place; even places are inbound
  std::uint32_t next_spi_ = 0x10000000;
  std::uint32_t next_place_ = 0;
  std::uint64_t changes_ = 0;
  SecretBytes batch_;
  std::uint64_t in_batch_ = 0;
  StressReport report_;
};

[[nodiscard]] Json stress_json(const StressReport& report, const StressOptions& options);
[[nodiscard]] std::string stress_text(const StressReport& report);
// Operations and losses of each second, drawn by gnuplot. ENOENT: there is no gnuplot.
[[nodiscard]] Result<void> plot_stress(const StressReport& report, const std::string& file);

}  // namespace culvert
