// SPDX-License-Identifier: BSD-3-Clause
#include "control/stress_sa.h"

#include <fmt/format.h>
#include <sodium.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <fstream>
#include <thread>
#include <utility>

#include "control/api/sa_bulk.h"
#include "crypto/transform.h"

namespace culvert {
namespace {

// Few enough that control is never away for long.
constexpr std::uint64_t kMostRecordsAtOnce = 4096;
constexpr std::chrono::seconds kSlice{1};
constexpr IpAddress kOurEnd{{198, 18, 0, 1}};
constexpr IpAddress kFarEnd{{198, 19, 0, 1}};
constexpr std::uint32_t kWindow = 64;
// What shared memory alone takes for one.
constexpr std::uint64_t kLeastBytesPerSa =
    sizeof(SaSpec) + sizeof(SaNote) + sizeof(KeySlot) + sizeof(SaState);

// Drops for want of room or buffers: what a gateway does that is kept from its work.
constexpr std::array<std::string_view, 3> kLosses{"tx_ring_full", "punt_ring_full",
                                                  "fragment_no_mbuf"};

bool is_in_range(const IpAddress& address) {
  return address.bytes[0] == 198 && (address.bytes[1] & 0xfe) == 18;
}

bool is_in_range(const Json& text) {
  const std::string word = text.is_string() ? text.get<std::string>() : "";
  return word.starts_with("198.18.") || word.starts_with("198.19.");
}

double seconds_since(std::chrono::steady_clock::time_point start) {
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
}

// What a process holds: shared pages in proportion, huge ones counted by themselves.
std::uint64_t memory_of(std::uint64_t process) {
  std::ifstream file(fmt::format("/proc/{}/smaps_rollup", process));
  std::uint64_t kib = 0;
  for (std::string line; std::getline(file, line);) {
    for (const std::string_view field : {"Pss:", "Private_Hugetlb:", "Shared_Hugetlb:"}) {
      if (line.starts_with(field)) kib += std::stoull(line.substr(field.size()));
    }
  }
  return kib * 1024;
}

}  // namespace

StressRun::StressRun(ApiClient& client, StressOptions options,
                     const std::atomic<bool>& is_interrupted, Progress progress)
    : client_(client),
      options_(std::move(options)),
      is_interrupted_(is_interrupted),
      progress_(std::move(progress)),
      batch_records_(std::min<std::uint64_t>(options_.count, kMostRecordsAtOnce)),
      reqid_(1 + randombytes_uniform(0x7ffffffe)) {
  const auto transform = transform_named(options_.transform);
  if (transform) key_bytes_ = transform_info(*transform)->material_bytes();
}

Result<StressReport> StressRun::run() {
  if (key_bytes_ == 0) {
    return Error{EINVAL, fmt::format("transform \"{}\": there is none of this name with a key, "
                                     "such as aes128-gcm or chacha20-poly1305",
                                     options_.transform)};
  }
  if (auto free = check_range(); !free) return free.error();
  if (auto room = check_room(); !room) return room.error();
  const auto before = memory_bytes();
  Result<void> done = fill();
  if (done) {
    const auto after = memory_bytes();
    if (before && after && report_.sas != 0) {
      const std::uint64_t grown = *after - std::min(*after, *before);
      // Slots that served SAs before are used again, and no memory comes with them.
      if (grown / report_.sas >= kLeastBytesPerSa) report_.bytes_per_sa = grown / report_.sas;
    }
    done = churn();
  }
  const auto start = Clock::now();
  const auto cleaned = clean_up();
  report_.clean_up_seconds = seconds_since(start);
  if (!cleaned) {
    return Error{cleaned.error().code,
                 fmt::format("SAs with reqid {} are left: {}", reqid_, cleaned.error().message)};
  }
  if (!done) return done.error();
  return std::move(report_);
}

Result<void> StressRun::for_each_sa(const std::function<void(const SaDumpRecord&)>& visit) {
  for (Json from = 0; !from.is_null();) {
    const auto page = client_.exchange("sa_dump", {{"from", from}, {"limit", kMostDumpRecords}});
    if (!page) return page.error();
    for (const SaDumpRecord& record : dump_records(page->body)) visit(record);
    from = page->data.value("next", Json());
  }
  return {};
}

// Nobody else's SA or policy may be met.
Result<void> StressRun::check_range() {
  bool is_used = false;
  const auto read = for_each_sa([&is_used](const SaDumpRecord& record) {
    if (record.family != Family::v4) return;
    is_used = is_used || is_in_range(record.src) || is_in_range(record.dst);
  });
  if (!read) return read;
  if (is_used) {
    return Error{EEXIST,
                 "198.18.0.0/15: there are SAs between its addresses already, of another run "
                 "perhaps; it must be free"};
  }
  const auto policies = client_.ask_all("policy", "policies");
  if (!policies) return policies.error();
  for (const Json& policy : (*policies)["policies"]) {
    for (const Json& wanted : policy["templates"]) {
      if (!is_in_range(wanted["src"]) && !is_in_range(wanted["dst"])) continue;
      return Error{EEXIST, "198.18.0.0/15: a policy names its addresses; it must be free"};
    }
  }
  return {};
}

// A batch's new SAs are there before those that they replace are gone.
Result<void> StressRun::check_room() {
  const auto page = client_.exchange("sa_dump", {{"from", 0}, {"limit", 1}});
  if (!page) return page.error();
  const auto sas = page->data.value("sas", std::uint64_t{0});
  const auto most = page->data.value("max_sas", std::uint64_t{0});
  const std::uint64_t wanted = options_.count + batch_records_;
  if (sas + wanted <= most) return {};
  return Error{ENOBUFS, fmt::format("{} SAs and {} on their way do not fit: {} of max_sas = {} are "
                                    "free; raise [dataplane] max_sas",
                                    options_.count, batch_records_, most - sas, most)};
}

void StressRun::put(SaBatchOp op, std::uint32_t place) {
  const bool is_inbound = place % 2 == 0;
  SaBatchRecord record;
  record.op = op;
  record.family = Family::v4;
  record.spi = spis_[place];
  record.src = is_inbound ? kFarEnd : kOurEnd;
  record.dst = is_inbound ? kOurEnd : kFarEnd;
  std::array<std::byte, kMaxKeyBytes> key;
  std::size_t key_bytes = 0;
  if (op != SaBatchOp::remove) {
    key_bytes = key_bytes_;
    record.key_bytes = static_cast<std::uint8_t>(key_bytes);
    record.direction = is_inbound ? Direction::in : Direction::out;
    record.reqid = reqid_;
    record.replay_window = kWindow;
    record.hard_packets = op == SaBatchOp::update ? 1'000'000'000 + changes_ : 0;
    randombytes_buf(key.data(), key_bytes);
  }
  append_record(batch_, record, std::span(key).first(key_bytes));
  sodium_memzero(key.data(), key_bytes);
  ++in_batch_;
}

// Spread evenly: of every hundred so many are replacements.
void StressRun::put_change() {
  const std::uint32_t place = next_place_++ % options_.count;
  const bool replaces =
      (changes_ + 1) * options_.churn_percent / 100 != changes_ * options_.churn_percent / 100;
  ++changes_;
  if (!replaces) return put(SaBatchOp::update, place);
  put(SaBatchOp::remove, place);
  spis_[place] = next_spi_++;
  put(SaBatchOp::add, place);
}

Result<void> StressRun::send() {
  const auto start = Clock::now();
  const auto answer = client_.exchange(
      "sa_batch", {{"transforms", {options_.transform}}, {"fresh_keys", true}}, batch_);
  report_.longest_batch_ms = std::max(report_.longest_batch_ms, 1e3 * seconds_since(start));
  sodium_memzero(batch_.data(), batch_.size());
  batch_.clear();
  in_batch_ = 0;
  return answer ? Result<void>{} : answer.error();
}

Result<void> StressRun::fill() {
  const auto start = Clock::now();
  while (spis_.size() < options_.count && !is_interrupted_) {
    while (spis_.size() < options_.count && in_batch_ < batch_records_) {
      spis_.push_back(next_spi_++);
      put(SaBatchOp::add, static_cast<std::uint32_t>(spis_.size() - 1));
    }
    if (const auto sent = send(); !sent) return sent;
    report_.sas = static_cast<std::uint32_t>(spis_.size());
    progress_(fmt::format("fill: {} of {} SAs", report_.sas, options_.count));
  }
  report_.fill_seconds = seconds_since(start);
  if (is_interrupted_) return {};
  const auto dump_start = Clock::now();
  const auto dumped = for_each_sa([](const SaDumpRecord&) {});
  report_.dump_seconds = seconds_since(dump_start);
  return dumped;
}

Result<void> StressRun::churn() {
  double seconds = 0;
  for (std::uint32_t i = 0; i < options_.seconds && !is_interrupted_; ++i) {
    const bool has_updates = i % 2 == 0;
    const auto slice = run_slice(has_updates);
    if (!slice) return slice.error();
    report_.slices.push_back(*slice);
    (has_updates ? report_.lost_packets : report_.lost_packets_without) += slice->lost_packets;
    report_.operations += slice->operations;
    if (has_updates) seconds += slice->seconds;
    progress_(fmt::format("churn: second {} of {}, {} operations, {} packets lost", i + 1,
                          options_.seconds, slice->operations, slice->lost_packets));
  }
  if (seconds > 0) {
    report_.operations_per_second = static_cast<double>(report_.operations) / seconds;
  }
  return {};
}

Result<StressSlice> StressRun::run_slice(bool has_updates) {
  const auto before = counters();
  if (!before) return before.error();
  const auto start = Clock::now();
  StressSlice slice{.has_updates = has_updates};
  while (Clock::now() - start < kSlice && !is_interrupted_) {
    const double due = static_cast<double>(options_.rate) * seconds_since(start);
    const bool is_due = options_.rate == 0 || due >= static_cast<double>(slice.operations + 1);
    if (!has_updates || !is_due) {
      std::this_thread::sleep_for(std::chrono::milliseconds(1));
      continue;
    }
    const std::uint64_t wanted =
        options_.rate == 0
            ? batch_records_
            : std::min(static_cast<std::uint64_t>(due) - slice.operations, batch_records_);
    while (in_batch_ < wanted) put_change();
    const std::uint64_t operations = in_batch_;
    if (const auto sent = send(); !sent) return sent.error();
    slice.operations += operations;
  }
  slice.seconds = seconds_since(start);
  const auto after = counters();
  if (!after) return after.error();
  slice.lost_packets = after->lost - before->lost;
  report_.packets += after->packets - before->packets;
  return slice;
}

// All with the run's reqid: of a batch whose answer did not come nobody knows what was done.
Result<void> StressRun::clean_up() {
  std::vector<SaDumpRecord> made;
  const auto read = for_each_sa([&](const SaDumpRecord& record) {
    if (record.reqid == reqid_ && is_in_range(record.dst)) made.push_back(record);
  });
  if (!read) return read;
  batch_.clear();
  in_batch_ = 0;
  for (std::size_t i = 0; i < made.size(); ++i) {
    append_record(
        batch_,
        {.op = SaBatchOp::remove, .family = made[i].family, .spi = made[i].spi, .dst = made[i].dst},
        {});
    if (++in_batch_ < batch_records_ && i + 1 < made.size()) continue;
    if (const auto sent = send(); !sent) return sent;
    progress_(fmt::format("clean-up: {} of {} SAs", i + 1, made.size()));
  }
  return {};
}

Result<StressRun::Counters> StressRun::counters() {
  Counters sum;
  const auto drops = client_.ask("drops");
  if (!drops) return drops.error();
  for (const Json& drop : (*drops)["drops"]) {
    const bool is_loss =
        std::ranges::find(kLosses, drop["name"].get<std::string>()) != kLosses.end();
    if (is_loss) sum.lost += drop["packets"].get<std::uint64_t>();
  }
  const auto ports = client_.ask("ports");
  if (!ports) return ports.error();
  for (const Json& port : (*ports)["ports"]) {
    sum.lost += port["rx_no_mbuf"].get<std::uint64_t>() + port["rx_missed"].get<std::uint64_t>();
    sum.packets += port["rx_packets"].get<std::uint64_t>();
  }
  return sum;
}

Result<std::uint64_t> StressRun::memory_bytes() {
  const auto version = client_.ask("version");
  if (!version) return version.error();
  const std::uint64_t control = memory_of(version->value("control_pid", std::uint64_t{0}));
  const std::uint64_t dataplane = memory_of(version->value("dataplane_pid", std::uint64_t{0}));
  if (control == 0 || dataplane == 0) return Error{EACCES, "the memory of others cannot be read"};
  return control + dataplane;
}

}  // namespace culvert
