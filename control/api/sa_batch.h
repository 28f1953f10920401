// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "control/result.h"
#include "control/sa.h"
#include "control/secret_bytes.h"
#include "crypto/key.h"
#include "crypto/transform.h"

// Many changes of SAs in one request, and many SAs in one answer: what lies behind the line of the
// API's views sa_batch and sa_dump. Records of fixed length in the byte order of this machine (the
// socket leads to nowhere else); addresses and ports as on the wire.

namespace culvert {

// A batch is carried out whole or not at all, and control does nothing else meanwhile.
inline constexpr std::size_t kMostBatchRecords = 65536;

enum class SaBatchOp : std::uint8_t {
  add = 1,
  update = 2,  // the whole SA again, as UPDSA: of one that has its key the key is passed over
  remove = 3,  // only family, dst, SPI and mark are looked at; no key
};

// Bits of SaBatchRecord::flags.
inline constexpr std::uint16_t kBatchEsn = 1;
inline constexpr std::uint16_t kBatchUdpEncap = 2;
inline constexpr std::uint16_t kBatchNoEcn = 4;
inline constexpr std::uint16_t kBatchDecapDscp = 8;
inline constexpr std::uint16_t kBatchNoPathMtu = 16;
inline constexpr std::uint16_t kBatchAllFlags = 31;

// `key_bytes` of key follow each: cipher key, salt, integrity key.
struct SaBatchRecord {
  SaBatchOp op{};
  Family family = Family::none;
  Direction direction = Direction::none;  // none: by whose address it is
  SaMode mode = SaMode::tunnel;
  std::uint8_t transform = 0;  // a place in the request's list of names
  std::uint8_t key_bytes = 0;
  std::uint16_t flags = 0;
  std::uint32_t spi = 0;
  std::uint32_t reqid = 0;
  IpAddress src;
  IpAddress dst;
  std::uint32_t replay_window = 0;  // in sequence numbers
  Be16 encap_src_port;              // with kBatchUdpEncap
  Be16 encap_dst_port;
  std::uint64_t sequence = 0;    // outbound: the last number used; inbound: the highest accepted
  std::uint64_t soft_bytes = 0;  // of these and the following 0 is no limit
  std::uint64_t hard_bytes = 0;
  std::uint64_t soft_packets = 0;
  std::uint64_t hard_packets = 0;
  std::uint32_t soft_seconds = 0;
  std::uint32_t hard_seconds = 0;
  std::uint32_t mark_value = 0;
  std::uint32_t mark_mask = 0;
  std::uint32_t if_id = 0;
  std::uint32_t tfc_bytes = 0;
  std::array<std::uint8_t, 8> reserved{};  // 0
};
static_assert(sizeof(SaBatchRecord) == 128 && std::is_trivially_copyable_v<SaBatchRecord>);
static_assert(std::has_unique_object_representations_v<SaBatchRecord>);

inline constexpr std::size_t kMostBatchBytes =
    kMostBatchRecords * (sizeof(SaBatchRecord) + kMaxKeyBytes);

void append_record(SecretBytes& batch, const SaBatchRecord& record, std::span<const std::byte> key);

// Takes a batch apart. Nothing in it is trusted; what is read is well-formed, whether it makes an
// SA is for the SA manager to say.
class SaBatchReader {
 public:
  // `transforms` are those that records name by place; `origin` is what their SAs are marked with.
  SaBatchReader(std::span<const std::byte> batch, std::span<const TransformId> transforms,
                SaOrigin origin);

  [[nodiscard]] bool is_at_end() const { return rest_.empty(); }
  // Reads one more. EINVAL: what is wrong with it.
  [[nodiscard]] Result<void> read();

  // Of the record that was read last.
  [[nodiscard]] SaBatchOp op() const { return record_.op; }
  [[nodiscard]] const Sa& sa() const { return sa_; }
  [[nodiscard]] const Key& key() const { return key_; }
  // "add spi 0x1001 to 192.0.2.1", as far as the record can be believed.
  [[nodiscard]] std::string name() const;

 private:
  [[nodiscard]] std::optional<std::string> fault() const;
  void fill_sa();

  std::span<const std::byte> rest_;
  std::span<const TransformId> transforms_;
  SaBatchRecord record_;
  TransformId transform_ = TransformId::none;  // whose algorithms sa_ has
  Sa sa_;
  Key key_;
};

// One SA of a dump, with what the dataplane has counted for it.
struct SaDumpRecord {
  std::uint32_t slot = 0;
  Family family = Family::none;
  Direction direction = Direction::none;  // none: larval
  SaMode mode = SaMode::tunnel;
  std::uint8_t transform = 0;  // a place in the answer's list of names
  std::uint32_t spi = 0;
  std::uint32_t reqid = 0;
  IpAddress src;
  IpAddress dst;
  std::uint32_t replay_window = 0;  // in force, in sequence numbers
  std::uint32_t is_esn = 0;
  std::uint64_t sequence = 0;
  std::uint64_t packets = 0;
  std::uint64_t bytes = 0;          // of inner packets
  std::uint64_t drops = 0;          // of all reasons
  std::uint64_t first_used_ns = 0;  // CLOCK_REALTIME; 0: never
  std::uint64_t last_used_ns = 0;
  std::array<std::uint64_t, 3> reserved{};
};
static_assert(sizeof(SaDumpRecord) == 128 && std::is_trivially_copyable_v<SaDumpRecord>);

// The records of a dump's page; what is beyond a whole number of them is passed over.
[[nodiscard]] std::vector<SaDumpRecord> dump_records(std::span<const char> body);

}  // namespace culvert
