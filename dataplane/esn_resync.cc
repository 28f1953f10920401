// SPDX-License-Identifier: BSD-3-Clause
#include "dataplane/esn_resync.h"

#include <cstring>
#include <span>

namespace culvert {
namespace {

constexpr std::size_t kLongestPacketBytes = 65536;

std::size_t opened_bytes(const CryptoJob& job, const Sa& sa) {
  return job.payload_bytes + std::size_t{sa.icv_bytes};
}

}  // namespace

EsnResync::EsnResync(Engine& engine) : engine_(&engine), copy_(kLongestPacketBytes) {}

void EsnResync::keep(const CryptoJob& job, const Sa& sa) {
  std::memcpy(copy_.data(), job.payload, opened_bytes(job, sa));
}

std::optional<SeqNum> EsnResync::try_again(CryptoJob& job, const Sa& sa, SeqNum refused) {
  constexpr std::uint64_t kSubspace = std::uint64_t{1} << 32;
  SeqNum sequence = refused;
  for (std::uint32_t i = 0; i < kTries; ++i) {
    sequence = SeqNum{sequence.raw() + kSubspace};
    std::memcpy(job.payload, copy_.data(), opened_bytes(job, sa));
    set_aad(job, sa, sequence);
    Verdict verdict = Verdict::refused;
    engine_->open(std::span(&job, 1), std::span(&verdict, 1));
    if (verdict != Verdict::refused) return sequence;
  }
  return std::nullopt;
}

}  // namespace culvert
