// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>

#include "dataplane/bucket_table.h"
#include "dataplane/net/types.h"
#include "dataplane/shm/messages.h"
#include "dataplane/table_memory.h"

namespace culvert {

// What an ESP packet names its SA by (RFC 4301 4.1: destination address and SPI).
struct SaKey {
  IpAddress destination;
  Spi spi;
  Family family = Family::v4;

  friend constexpr bool operator==(const SaKey&, const SaKey&) = default;
};

// The SAD's look-up of inbound SAs. Any number of readers without locks; one writer, the
// housekeeper. All memory is reserved at start.
//
// Each SA is an 8-byte entry {SPI, index} in one of two buckets of a cache line each, both chosen
// by a keyed hash of SPI and destination; when both are full it hangs on a spill chain, so that an
// insert never fails while its index is free. The full key is compared too.
class SaTable {
 public:
  enum class Insert : std::uint8_t {
    ok,
    duplicate,  // an SA with this key is installed
    bad_index,  // the index is not below max_sas
  };

  // Reserves the memory, about 60 bytes for each of max_sas. `secret` is random and stays in this
  // process, so that nobody can choose SPIs that collide. nullptr: there is not enough memory.
  [[nodiscard]] static std::unique_ptr<SaTable> create(std::uint32_t max_sas, std::uint64_t secret);

  // Writer. Makes the SA visible to readers, with all that was written to its slot before
  // (release). The index must be free: never inserted, or erased and a quiescent state passed.
  [[nodiscard]] Insert insert(const SaKey& key, SaIndex index);

  // Writer. Readers find it no more after their next quiescent state; until then the slot `index`
  // must stay as it is. False: no such SA.
  bool erase(SaIndex index);

  // The SA with this key, or kNoSa.
  [[nodiscard]] SaIndex find(const SaKey& key) const;
  // The same for a burst: indices[i] for keys[i]. Memory latency of one hides behind the others.
  void find_burst(std::span<const SaKey> keys, std::span<SaIndex> indices) const;

  [[nodiscard]] std::uint32_t size() const { return table_.size(); }
  // SAs that hang on spill chains.
  [[nodiscard]] std::uint32_t spilled() const { return table_.spilled(); }
  // The hash that chooses buckets; for the test that makes keys collide.
  [[nodiscard]] static std::uint64_t hash(const SaKey& key, std::uint64_t secret);

 private:
  // One per SA index; never crosses a cache line.
  struct alignas(32) StoredKey {
    SaKey key;
  };

  SaTable(std::uint32_t max_sas, std::uint64_t secret);
  [[nodiscard]] SaIndex find_hashed(const SaKey& key, std::uint64_t hash) const;

  std::uint32_t max_sas_;
  std::uint64_t secret_;
  BucketTable table_;
  TableMemory<StoredKey> keys_;
};

}  // namespace culvert
