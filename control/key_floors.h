// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <array>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <map>
#include <span>
#include <string>
#include <vector>

#include "control/result.h"
#include "control/sa_manager_options.h"
#include "control/slot_note.h"

namespace culvert {

// Where manual counter-mode keys go on. A key from a configuration file or a script comes again at
// the next start, and would seal with nonces it has used. So sequence numbers are reserved ahead on
// disk: an SA starts at what was reserved last, and the reserve is raised before it is reached.
//
// Limit: a key that is never used again keeps its line for ever.
// The file holds a random salt, and per key a salted hash of it and a number; of several lines for
// a key the last one counts. No key. Changes are appended, and the file is written anew when most
// of its lines are void; a last line without its end was never relied upon.
//   culvert-floors 1
//   salt <64 hex digits>
//   <32 hex digits> <number>
class KeyFloors {
 public:
  // A raise when half of this is left lasts 0.5 s at 16 million packets a second; without ESN it
  // allows 256 restarts under one key.
  static constexpr std::uint64_t kReserve = 1ull << 24;

  // Reads the file when it is first needed.
  KeyFloors(FloorStorage storage, std::string file);
  ~KeyFloors();
  KeyFloors(const KeyFloors&) = delete;
  KeyFloors& operator=(const KeyFloors&) = delete;

  // Changes that come faster than this share one fsync; save() is called at least every second.
  static constexpr std::chrono::milliseconds kSyncInterval{100};

  // What this file calls a key. Errors: the file is damaged or unreadable.
  [[nodiscard]] Result<KeyHash> name_of(std::span<const std::byte> key);
  // The number at which an SA with this key starts: all up to it may have been used. Reserves
  // ahead; save() must succeed before the number is used. EOVERFLOW: there are no numbers left.
  [[nodiscard]] Result<std::uint64_t> reserve(const KeyHash& key);
  // `used` numbers are gone, as of now. Reserves more where little is left, and more at a time for
  // an SA in a hurry, so that a file is written every few seconds at most.
  void note_use(const KeyHash& key, std::uint64_t used);
  // Exactly `used` numbers are gone, and the key has no SA any more: the rest of its reserve is
  // free again.
  void settle(const KeyHash& key, std::uint64_t used);
  // Writes what changed since. It is synced, too, unless that was just done: then the next call
  // does it. Limit: of the keys that came within a tenth of a second the system may forget all but
  // the first when it loses power before the next second. Errors: what the system says, with the
  // path.
  [[nodiscard]] Result<void> save();
  // Takes back what was reserved since the last save().
  void discard();

 private:
  struct Floor {
    std::uint64_t reserved = 0;
    std::uint64_t saved = 0;      // what the file says
    std::uint64_t last_used = 0;  // as note_use() heard it last
  };

  void change(const KeyHash& key, Floor& floor, std::uint64_t reserved);
  [[nodiscard]] Result<void> load();
  [[nodiscard]] Result<void> parse(const std::string& text);
  [[nodiscard]] Result<void> write();
  [[nodiscard]] Result<void> write_anew();
  [[nodiscard]] Result<void> append();
  [[nodiscard]] Result<void> sync_if_due();

  FloorStorage storage_;
  std::string file_;
  bool is_loaded_ = false;
  bool can_append_ = false;  // the file is there and whole
  int appended_ = -1;        // the file, once it was appended to
  bool is_unsynced_ = false;
  std::chrono::steady_clock::time_point last_sync_{};
  std::size_t lines_ = 0;  // of the file, for keys
  std::vector<KeyHash> changed_;
  std::array<unsigned char, 32> salt_{};
  std::map<KeyHash, Floor> floors_;
};

}  // namespace culvert
