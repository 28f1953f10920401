// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <gtest/gtest.h>
#include <unistd.h>

#include <array>
#include <cstdint>
#include <memory>
#include <string>

#include "dataplane/requests.h"

namespace culvert {

class NobodyWaits final : public Quiescence {
 public:
  void wait() override {}
};

class HostileRequests : public testing::Test {
 protected:
  static constexpr std::uint32_t kMaxSas = 64;
  static constexpr std::uint32_t kMaxPolicies = 64;

  HostileRequests() {
    StartConfig start;
    start.worker_count = 1;
    start.port_count = 2;
    EXPECT_EQ(create_regions({kMaxSas, kMaxPolicies, 4096}, start, descriptors_), "");
    descriptors_.back() = dup(descriptors_.front());
    EXPECT_EQ(ours_.attach(descriptors_, Side::dataplane), "");
    EXPECT_EQ(theirs_.attach(descriptors_, Side::control), "");
    engine_ = Engine::create();
    std::string error;
    sad_ = Sad::create(ours_, *engine_, 1, quiescence_, error);
    EXPECT_EQ(error, "");
    spd_ = Spd::create(kMaxPolicies, 1, quiescence_);
    fib_ = Fib::create("requests_test", {.max_routes = 256, .max_long_networks = 64}, quiescence_);
    requests_ = std::make_unique<Requests>(Requests::Context{.regions = ours_,
                                                             .ports = ports_,
                                                             .sad = *sad_,
                                                             .spd = *spd_,
                                                             .fib = *fib_,
                                                             .default_policy = default_policy_,
                                                             .splitting = splitting_,
                                                             .traces = traces_,
                                                             .quiescence = quiescence_});
    writer_ = std::make_unique<RingWriter<Request>>(theirs_.requests().requests,
                                                    theirs_.requests().requests_produced,
                                                    theirs_.state().requests_consumed);
    reader_ = std::make_unique<RingReader<Completion>>(theirs_.state().completions,
                                                       theirs_.state().completions_produced,
                                                       theirs_.requests().completions_consumed);
  }
  ~HostileRequests() override {
    for (const int descriptor : descriptors_) close(descriptor);
  }

  // The dataplane's answer to one request.
  Refusal ask(Request request) {
    request.sequence = ++sequence_;
    EXPECT_TRUE(writer_->push(request));
    EXPECT_EQ(requests_->poll(), 1u);
    Completion completion;
    EXPECT_TRUE(reader_->pop(completion));
    EXPECT_EQ(completion.sequence, sequence_);
    return completion.refusal;
  }

  // An SA that is in order, in slot 3.
  void write_sa() {
    SaSpec& spec = theirs_.sa_specs()[3];
    spec = {.generation = 7,
            .direction = Direction::in,
            .transform = static_cast<std::uint8_t>(TransformId::aes128_gcm16),
            .family = Family::v4,
            .spi = 0x1001,
            .replay_window = 64,
            .src = IpAddress::v4(Be32(0xc0000202)),
            .dst = IpAddress::v4(Be32(0xc0000201))};
    KeySlot& key = theirs_.keys()[3];
    key = {.generation = 7, .key_bytes = 20, .key = {}};
  }
  static Request sa_add() { return {.op = RequestOp::sa_add, .index = 3, .generation = 7}; }

  Descriptors descriptors_{};
  Regions ours_;
  Regions theirs_;
  NobodyWaits quiescence_;
  std::array<Port, 2> ports_{};
  DefaultPolicy default_policy_{PolicyAction::discard};
  EspOutbound::Splitting splitting_;
  TraceSwitch traces_;
  std::unique_ptr<Engine> engine_;
  std::unique_ptr<Sad> sad_;
  std::unique_ptr<Spd> spd_;
  std::unique_ptr<Fib> fib_;
  std::unique_ptr<Requests> requests_;
  std::unique_ptr<RingWriter<Request>> writer_;
  std::unique_ptr<RingReader<Completion>> reader_;
  std::uint64_t sequence_ = 0;
};

}  // namespace culvert
