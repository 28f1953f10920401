// SPDX-License-Identifier: BSD-3-Clause
#include "control/api/trace_session.h"

#include <gmock/gmock.h>

#include <algorithm>
#include <cerrno>

#include "dataplane/shm/drop.h"
#include "tests/unit/control/sa_manager_fixture.h"

namespace culvert {
namespace {

using testing::HasSubstr;

class TraceSessionTest : public SaManagerTest {
 protected:
  TraceSessionTest() {
    config_.ports.push_back({.name = "wan"});
    trace_.emplace(control_regions_, *client_, *manager_, config_);
  }

  // What the dataplane says.
  void tell(const TraceRecord& record) {
    StateHead& state = dataplane_.regions().state();
    RingWriter<TraceRecord> ring(state.trace_records, state.trace_produced,
                                 dataplane_.regions().requests().trace_consumed);
    ASSERT_TRUE(ring.push(record));
  }
  [[nodiscard]] std::uint32_t start(const Json& filter = {{"count", 10}}) {
    Json request = {{"do", "start"}};
    request.update(filter);
    const auto started = trace_->answer(request);
    EXPECT_TRUE(started) << started.error().message;
    return started ? started->value("trace", 0u) : 0;
  }
  [[nodiscard]] Result<Json> read(std::uint32_t trace) {
    return trace_->answer({{"do", "read"}, {"trace", trace}});
  }

  Config config_;
  std::optional<TraceSession> trace_;
};

TEST_F(TraceSessionTest, TellsTheDataplaneWhatIsWanted) {
  const std::uint32_t trace = start({{"src", "10.1.0.0/24"},
                                     {"dst", "10.2.0.2"},
                                     {"protocol", "udp"},
                                     {"dport", 53},
                                     {"spi", 0x1001},
                                     {"count", 7},
                                     {"both", true}});
  const TraceFilter& filter = control_regions_.requests().trace;
  EXPECT_EQ(filter.generation, trace);
  EXPECT_EQ(filter.family, Family::v4);
  EXPECT_EQ(filter.src, ipv4(10, 1, 0, 0));
  EXPECT_EQ(filter.src_prefix_bits, 24);
  EXPECT_EQ(filter.dst_prefix_bits, 32);
  EXPECT_EQ(filter.protocol, 17);
  EXPECT_EQ(filter.dst_port, 53);
  EXPECT_EQ(filter.spi, 0x1001u);
  EXPECT_EQ(filter.packets, 7u);
  EXPECT_EQ(filter.is_both_ways, 1);
  EXPECT_EQ(filter.wants_bytes, 0);
  const auto requests = dataplane_.take_requests();
  ASSERT_FALSE(requests.empty());
  EXPECT_EQ(requests.back().op, RequestOp::trace);
  EXPECT_EQ(requests.back().generation, trace);
}

TEST_F(TraceSessionTest, RefusesAFilterThatMeansNothingAndSaysWhy) {
  struct Case {
    Json filter;
    const char* reason;
  };
  const std::vector<Case> cases = {
      {{{"count", 0}}, "count: must be 1 to"},
      {{{"count", 1}, {"src", "nonsense"}}, "src \"nonsense\": must be an address"},
      {{{"count", 1}, {"src", 7}}, "src 7: must be an address"},
      {{{"count", 1}, {"src", "10.0.0.1"}, {"dst", "2001:db8::1"}}, "two families"},
      {{{"count", 1}, {"protocol", "999"}}, "protocol \"999\""},
      {{{"count", 1}, {"protocol", "ipx"}}, "protocol \"ipx\""},
      {{{"count", 1}, {"sport", 70000}}, "sport 70000: must be 0 to 65535"},
      {{{"count", 1}, {"sport", -1}}, "sport -1"},
  };
  for (const Case& wrong : cases) {
    const auto filter = trace_filter(wrong.filter);
    ASSERT_FALSE(filter) << wrong.reason;
    EXPECT_EQ(filter.error().code, EINVAL);
    EXPECT_THAT(filter.error().message, HasSubstr(wrong.reason));
  }
}

TEST_F(TraceSessionTest, HandsOnWhatTheDataplaneSaysInWords) {
  const SaIndex sa = add(outbound(0x1001), key_number(1));
  const std::uint32_t trace = start();
  TraceRecord record{.time_ns = 5, .sequence = 9, .generation = trace, .packet = 3, .worker = 1};
  record.stage = TraceStage::sealed;
  record.spi = 0x1001;
  record.sa_index = sa.raw();
  tell(record);
  record.stage = TraceStage::dropped;
  record.drop = static_cast<std::uint8_t>(DropReason::esp_in_replay);
  tell(record);
  record.stage = TraceStage::outbound_policy;
  record.policy = 4;
  record.action = PolicyAction::protect;
  tell(record);
  const auto read_now = read(trace);
  ASSERT_TRUE(read_now);
  const Json& records = (*read_now)["records"];
  ASSERT_EQ(records.size(), 3u);
  EXPECT_EQ(records[0]["packet"], "1.3");
  EXPECT_EQ(records[0]["stage"], "sealed");
  EXPECT_EQ(records[0]["port"], "wan");
  EXPECT_EQ(records[0]["sequence"], 9);
  EXPECT_EQ(records[0]["sa"]["spi"], "0x00001001");
  EXPECT_EQ(records[1]["drop"], "esp_in_replay");
  EXPECT_EQ(records[2]["policy"], 4);
  EXPECT_EQ(records[2]["action"], "protect");
  EXPECT_TRUE((*read(trace))["records"].empty());
}

TEST_F(TraceSessionTest, TrustsNothingThatTheDataplaneSays) {
  const std::uint32_t trace = start();
  TraceRecord record{.generation = trace};
  record.stage = TraceStage{200};
  record.port = 77;
  record.drop = 255;
  record.sa_index = 0x7fffffff;
  record.bytes = 1'000'000;
  tell(record);
  record.stage = TraceStage::received;
  record.bytes = 0;
  tell(record);
  const auto records = read(trace);
  ASSERT_TRUE(records);
  EXPECT_EQ((*records)["records"][0]["stage"], "unknown");
  EXPECT_EQ((*records)["records"][0]["bytes"].get<std::string>().size(), 2 * kTraceBytes);
  EXPECT_EQ((*records)["records"][1]["port"], "?");
}

TEST_F(TraceSessionTest, PassesOverWhatIsOfATraceBefore) {
  const std::uint32_t first = start();
  ASSERT_TRUE(trace_->answer({{"do", "stop"}, {"trace", first}}));
  const std::uint32_t second = start();
  EXPECT_NE(first, second);
  tell({.generation = first, .stage = TraceStage::received});
  EXPECT_TRUE((*read(second))["records"].empty());
  EXPECT_EQ(read(first).error().code, ENOENT);
}

TEST_F(TraceSessionTest, IsOneAtATime) {
  const std::uint32_t trace = start();
  EXPECT_EQ(trace_->answer({{"do", "start"}, {"count", 1}}).error().code, EBUSY);
  ASSERT_TRUE(trace_->answer({{"do", "stop"}, {"trace", trace}}));
  EXPECT_EQ(control_regions_.requests().trace.generation, 0u);
  static_cast<void>(start());
}

TEST_F(TraceSessionTest, EndsWhenNobodyReads) {
  const std::uint32_t trace = start();
  const auto now = TraceSession::Clock::now();
  trace_->poll(now + std::chrono::seconds(1));
  EXPECT_TRUE(read(trace));
  trace_->poll(now + std::chrono::seconds(60));
  EXPECT_EQ(read(trace).error().code, ENOENT);
  EXPECT_EQ(control_regions_.requests().trace.generation, 0u);
}

TEST_F(TraceSessionTest, CountsWhatWasLost) {
  const std::uint32_t trace = start();
  dataplane_.regions().state().trace_lost.fetch_add(5);
  EXPECT_EQ((*read(trace))["lost"], 5);
}

}  // namespace
}  // namespace culvert
