// SPDX-License-Identifier: BSD-3-Clause
#include "control/api/sa_batch.h"

#include <fmt/format.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "control/address_text.h"
#include "control/sa_algorithms.h"

namespace culvert {
namespace {

std::string_view op_name(SaBatchOp op) {
  switch (op) {
    case SaBatchOp::add:
      return "add";
    case SaBatchOp::update:
      return "update";
    case SaBatchOp::remove:
      return "remove";
  }
  return "unknown operation of";
}

std::uint64_t limit_of(std::uint64_t asked) {
  return asked == 0 ? Lifetimes::kNoLimit : asked;
}

std::uint8_t state_flags(std::uint16_t asked) {
  std::uint8_t flags = 0;
  const auto take = [&](std::uint16_t bit, std::uint8_t flag) {
    if ((asked & bit) != 0) flags = static_cast<std::uint8_t>(flags | flag);
  };
  take(kBatchEsn, kStateEsn);
  take(kBatchNoEcn, kStateNoEcn);
  take(kBatchDecapDscp, kStateDecapDscp);
  take(kBatchNoPathMtu, kStateNoPathMtu);
  return flags;
}

}  // namespace

void append_record(SecretBytes& batch, const SaBatchRecord& record,
                   std::span<const std::byte> key) {
  const auto fixed = std::as_bytes(std::span(&record, 1));
  batch.insert(batch.end(), fixed.begin(), fixed.end());
  batch.insert(batch.end(), key.begin(), key.end());
}

SaBatchReader::SaBatchReader(std::span<const std::byte> batch,
                             std::span<const TransformId> transforms, SaOrigin origin)
    : rest_(batch), transforms_(transforms) {
  sa_.origin = origin;
}

Result<void> SaBatchReader::read() {
  if (rest_.size() < sizeof record_) {
    const std::size_t left = rest_.size();
    record_ = {};
    return Error{EINVAL,
                 fmt::format("{} bytes are left: a record has at least {}", left, sizeof record_)};
  }
  std::memcpy(static_cast<void*>(&record_), rest_.data(), sizeof record_);
  rest_ = rest_.subspan(sizeof record_);
  if (auto wrong = fault()) return Error{EINVAL, *std::move(wrong)};
  const bool fits = key_.assign(rest_.first(record_.key_bytes));
  if (!fits) return Error{EINVAL, fmt::format("key of {} bytes: too long", record_.key_bytes)};
  rest_ = rest_.subspan(record_.key_bytes);
  fill_sa();
  return {};
}

// What could not be put into an SA, or would be taken for something else.
std::optional<std::string> SaBatchReader::fault() const {
  if (record_.op < SaBatchOp::add || record_.op > SaBatchOp::remove) {
    return fmt::format("operation {}: must be add (1), update (2) or remove (3)",
                       static_cast<unsigned>(record_.op));
  }
  if (record_.family != Family::v4 && record_.family != Family::v6) {
    return fmt::format("family {}: must be 4 or 6", static_cast<unsigned>(record_.family));
  }
  if (record_.direction > Direction::out) {
    return fmt::format("direction {}: must be in (1), out (2) or by the addresses (0)",
                       static_cast<unsigned>(record_.direction));
  }
  if (record_.mode > SaMode::tunnel) {
    return fmt::format("mode {}: must be transport (0) or tunnel (1)",
                       static_cast<unsigned>(record_.mode));
  }
  if ((record_.flags & ~kBatchAllFlags) != 0) {
    return fmt::format("flags {:#x}: must be of {:#x}", record_.flags, kBatchAllFlags);
  }
  if (record_.reserved != decltype(record_.reserved){}) return "reserved bytes: must be 0";
  if (record_.key_bytes > std::min<std::size_t>(rest_.size(), kMaxKeyBytes)) {
    return fmt::format("key of {} bytes: {} bytes are left, and a key has at most {}",
                       record_.key_bytes, rest_.size(), kMaxKeyBytes);
  }
  if (record_.op == SaBatchOp::remove) {
    if (record_.key_bytes != 0) return "key: what is removed is named without";
    return std::nullopt;
  }
  if (record_.transform >= transforms_.size()) {
    return fmt::format("transform {}: the request names {}", record_.transform, transforms_.size());
  }
  return std::nullopt;
}

// Every field that a record sets is set, so that nothing stays of the one before.
void SaBatchReader::fill_sa() {
  sa_.id = {.family = record_.family,
            .dst = record_.dst,
            .spi = Spi{record_.spi},
            .protocol = kProtocolEsp,
            .mark = {record_.mark_value, record_.mark_mask}};
  if (record_.op == SaBatchOp::remove) return;
  sa_.src = record_.src;
  sa_.mode = record_.mode == SaMode::transport ? XfrmMode::transport : XfrmMode::tunnel;
  sa_.reqid = record_.reqid;
  sa_.if_id = record_.if_id;
  sa_.selector.family = record_.family;
  sa_.direction.reset();
  if (record_.direction != Direction::none) {
    sa_.direction = record_.direction == Direction::in ? SaDirection::in : SaDirection::out;
  }
  sa_.flags = state_flags(record_.flags);
  const auto low = static_cast<std::uint32_t>(record_.sequence);
  const auto high = static_cast<std::uint32_t>(record_.sequence >> 32);
  sa_.replay = ReplayAsked{
      .is_esn_struct = true,
      .window = record_.replay_window,
      .bitmap_words = static_cast<std::uint32_t>((std::uint64_t{record_.replay_window} + 31) / 32),
      .seq = low,
      .oseq = low,
      .seq_hi = high,
      .oseq_hi = high};
  sa_.encap.reset();
  if ((record_.flags & kBatchUdpEncap) != 0) {
    sa_.encap = Encap{.type = Encap::kEspInUdp,
                      .src_port = record_.encap_src_port,
                      .dst_port = record_.encap_dst_port,
                      .original_address = {}};
  }
  sa_.tfcpad.reset();
  if (record_.tfc_bytes != 0) sa_.tfcpad = record_.tfc_bytes;
  sa_.lifetimes = {.soft_bytes = limit_of(record_.soft_bytes),
                   .hard_bytes = limit_of(record_.hard_bytes),
                   .soft_packets = limit_of(record_.soft_packets),
                   .hard_packets = limit_of(record_.hard_packets),
                   .soft_add_expires_seconds = record_.soft_seconds,
                   .hard_add_expires_seconds = record_.hard_seconds};
  if (transforms_[record_.transform] == transform_) return;
  transform_ = transforms_[record_.transform];
  SaAlgorithms algorithms = algorithms_of(transform_, NoIntegrityForm::no_algorithm);
  sa_.aead = std::move(algorithms.aead);
  sa_.crypt = std::move(algorithms.crypt);
  sa_.auth = std::move(algorithms.auth);
}

std::string SaBatchReader::name() const {
  if (record_.family != Family::v4 && record_.family != Family::v6) {
    return std::string(op_name(record_.op));
  }
  return fmt::format("{} spi {:#x} to {}", op_name(record_.op), record_.spi,
                     address_text(record_.family, record_.dst));
}

std::vector<SaDumpRecord> dump_records(std::span<const char> body) {
  std::vector<SaDumpRecord> records(body.size() / sizeof(SaDumpRecord));
  if (records.empty()) return records;
  std::memcpy(static_cast<void*>(records.data()), body.data(),
              records.size() * sizeof(SaDumpRecord));
  return records;
}

}  // namespace culvert
