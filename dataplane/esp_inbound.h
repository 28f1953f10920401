// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <array>
#include <cstdint>
#include <span>

#include "crypto/esp_transform.h"
#include "dataplane/esn_resync.h"
#include "dataplane/fib.h"
#include "dataplane/lanes.h"
#include "dataplane/net/esp.h"
#include "dataplane/replay_window.h"
#include "dataplane/sa_groups.h"
#include "dataplane/sad.h"

namespace culvert {

// Opens ESP packets (RFC 4303 3.4), a burst at a time and each step for the whole burst, so that
// the memory latency of one packet hides behind the work of the others. One per worker.
class EspInbound {
 public:
  EspInbound(const Sad& sad, const Fib& fib, Engine& engine, Writers writers, WorkerEvents& events,
             DropSink& drops)
      : sad_(&sad),
        fib_(&fib),
        engine_(&engine),
        resync_(engine),
        writers_(writers),
        events_(&events),
        drops_(&drops) {}

  // Lane esp -> inner, again.
  void operator()(Lane<Packet>& lane, Lanes& lanes);

 private:
  // A packet between its look-up and its verdict.
  struct Candidate {
    Packet packet;
    const Sa* sa;
    SeqNum sequence;
    std::uint32_t payload_offset;  // of the ciphertext
    std::uint16_t group;
    std::uint16_t next;  // of the same group
  };

  void open_burst(std::span<Packet> packets, Lanes& lanes);
  std::size_t read_headers(std::span<Packet> packets);
  void find_sas();
  void refuse(Packet packet, Lanes& lanes);
  void check(Packet packet, const Sa& sa);
  [[nodiscard]] std::uint16_t keep_for_resync();
  void resync(std::uint16_t candidate);
  void link(std::size_t candidate, SaGroups::Group& group);
  void commit_windows();
  void commit_window(SaGroups::Group& group);
  void note_peer(const Candidate& candidate);
  void finish(const Candidate& candidate, Lanes& lanes);

  const Sad* sad_;
  const Fib* fib_;
  Engine* engine_;
  EsnResync resync_;
  Writers writers_;
  WorkerEvents* events_;
  DropSink* drops_;

  // What packets name their SA by; those of one SA in a row share an entry.
  std::array<SaKey, kBurst> keys_{};
  std::array<SaIndex, kBurst> indices_;       // of the keys
  std::array<const Sa*, kBurst> sas_;         // of the keys
  std::array<std::uint16_t, kBurst> key_of_;  // by packet
  std::size_t key_count_ = 0;
  std::array<Candidate, kBurst> candidates_;
  std::array<CryptoJob, kBurst> jobs_;
  std::array<Verdict, kBurst> verdicts_;
  std::array<SeqNum, kBurst> sequences_;
  std::array<ReplayVerdict, kBurst> replay_verdicts_;
  std::array<ReplayVerdict, kBurst> commit_results_;
  std::size_t candidate_count_ = 0;
  SaGroups groups_;
};

}  // namespace culvert
