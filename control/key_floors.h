// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <map>
#include <span>
#include <string>

#include "control/result.h"
#include "control/sa_manager_options.h"
#include "control/slot_note.h"

namespace culvert {

// Where manual counter-mode keys go on. A key from a configuration file comes again at the next
// start, and would seal with nonces it has used. So sequence numbers are reserved ahead on disk: an
// SA starts at what was reserved last, and the reserve is raised before it is reached.
//
// Limit: a key that is never used again keeps its line for ever.
// The file holds a random salt, and per key a salted hash of it and a number. No key.
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

  // What this file calls a key. Errors: the file is damaged or unreadable.
  [[nodiscard]] Result<KeyHash> name_of(std::span<const std::byte> key);
  // The number at which an SA with this key starts: all up to it may have been used. Reserves
  // ahead; save() must succeed before the number is used. EOVERFLOW: there are no numbers left.
  [[nodiscard]] Result<std::uint64_t> reserve(const KeyHash& key);
  // `used` numbers are gone, as of now. Reserves more where little is left, and more at a time for
  // an SA in a hurry, so that a file is written every few seconds at most.
  void note_use(const KeyHash& key, std::uint64_t used);
  // Writes what was reserved since, atomically: file, fsync, rename, fsync of the folder. Errors:
  // what the system says, with the path.
  [[nodiscard]] Result<void> save();
  // Takes back what was reserved since the last save().
  void discard();

 private:
  struct Floor {
    std::uint64_t reserved = 0;
    std::uint64_t saved = 0;      // what the file says
    std::uint64_t last_used = 0;  // as note_use() heard it last
  };

  [[nodiscard]] Result<void> load();
  [[nodiscard]] Result<void> parse(const std::string& text);
  [[nodiscard]] Result<void> write_file() const;
  [[nodiscard]] std::string text() const;

  FloorStorage storage_;
  std::string file_;
  bool is_loaded_ = false;
  bool is_dirty_ = false;
  std::array<unsigned char, 32> salt_{};
  std::map<KeyHash, Floor> floors_;
};

}  // namespace culvert
