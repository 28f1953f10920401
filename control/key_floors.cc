// SPDX-License-Identifier: BSD-3-Clause
#include "control/key_floors.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sodium.h>
#include <spdlog/spdlog.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <filesystem>
#include <fstream>
#include <limits>
#include <sstream>
#include <system_error>
#include <utility>

namespace culvert {
namespace {

constexpr std::string_view kHeading = "culvert-floors 1";

std::string hex(std::span<const unsigned char> bytes) {
  std::string text;
  for (const unsigned char byte : bytes) text += fmt::format("{:02x}", byte);
  return text;
}

// Exactly bytes.size() bytes, or false.
bool from_hex(const std::string& text, std::span<unsigned char> bytes) {
  std::size_t length = 0;
  return text.size() == bytes.size() * 2 &&
         sodium_hex2bin(bytes.data(), bytes.size(), text.data(), text.size(), nullptr, &length,
                        nullptr) == 0 &&
         length == bytes.size();
}

std::span<unsigned char> raw(KeyHash& hash) {
  return {reinterpret_cast<unsigned char*>(hash.data()), hash.size()};
}

Error system_error(const std::string& file, const char* what) {
  const int code = errno;
  return {code, fmt::format("{}: {}: {}; manual keys of counter-mode algorithms need this file, "
                            "or they would use numbers again after a restart",
                            file, what, std::generic_category().message(code))};
}

bool write_all(int descriptor, std::string_view text) {
  while (!text.empty()) {
    const ssize_t written = write(descriptor, text.data(), text.size());
    if (written < 0 && errno == EINTR) continue;
    if (written <= 0) return false;
    text.remove_prefix(static_cast<std::size_t>(written));
  }
  return true;
}

std::string line_of(KeyHash key, std::uint64_t number) {
  return fmt::format("{} {}\n", hex(raw(key)), number);
}

bool sync_folder(const std::filesystem::path& folder) {
  const int descriptor = open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (descriptor < 0) return false;
  const bool is_synced = fsync(descriptor) == 0;
  close(descriptor);
  return is_synced;
}

}  // namespace

KeyFloors::KeyFloors(FloorStorage storage, std::string file)
    : storage_(storage), file_(std::move(file)) {}

KeyFloors::~KeyFloors() {
  if (appended_ >= 0) close(appended_);
}

Result<KeyHash> KeyFloors::name_of(std::span<const std::byte> key) {
  if (const Result<void> loaded = load(); !loaded) return loaded.error();
  KeyHash result;
  crypto_generichash(raw(result).data(), result.size(),
                     reinterpret_cast<const unsigned char*>(key.data()), key.size(), salt_.data(),
                     salt_.size());
  return result;
}

Result<std::uint64_t> KeyFloors::reserve(const KeyHash& key) {
  Floor& floor = floors_[key];
  const std::uint64_t start = floor.reserved;
  if (start > std::numeric_limits<std::uint64_t>::max() - kReserve) {
    return Error{EOVERFLOW, "all sequence numbers of this manual key were used: take a new key"};
  }
  floor.last_used = start;
  change(key, floor, start + kReserve);
  return start;
}

void KeyFloors::change(const KeyHash& key, Floor& floor, std::uint64_t reserved) {
  floor.reserved = reserved;
  changed_.push_back(key);
}

void KeyFloors::note_use(const KeyHash& key, std::uint64_t used) {
  Floor& floor = floors_[key];
  const std::uint64_t lately = used - std::min(used, floor.last_used);
  floor.last_used = used;
  // Eight more calls at this rate must fit, or half the usual reserve.
  constexpr std::uint64_t kMost = std::numeric_limits<std::uint64_t>::max() / 4;
  const std::uint64_t wanted_left = std::max(kReserve / 2, 8 * std::min(lately, kMost / 8));
  if (floor.reserved >= used && floor.reserved - used >= wanted_left) return;
  const std::uint64_t ahead = 2 * wanted_left;
  change(key, floor, used + std::min(ahead, std::numeric_limits<std::uint64_t>::max() - used));
}

void KeyFloors::settle(const KeyHash& key, std::uint64_t used) {
  const auto found = floors_.find(key);
  if (found == floors_.end() || found->second.reserved == used) return;
  found->second.last_used = used;
  change(key, found->second, used);
}

Result<void> KeyFloors::save() {
  if (storage_ == FloorStorage::file) {
    if (const Result<void> written = write(); !written) return written;
  }
  for (const KeyHash& key : changed_) {
    Floor& floor = floors_[key];
    floor.saved = floor.reserved;
  }
  changed_.clear();
  return {};
}

void KeyFloors::discard() {
  for (const KeyHash& key : changed_) {
    const auto found = floors_.find(key);
    if (found == floors_.end()) continue;
    found->second.reserved = found->second.saved;
    if (found->second.saved == 0) floors_.erase(found);
  }
  changed_.clear();
}

Result<void> KeyFloors::write() {
  constexpr std::size_t kFewLines = 1000;
  if (changed_.empty()) return sync_if_due();
  const bool is_mostly_void = lines_ + changed_.size() > 2 * floors_.size() + kFewLines;
  return can_append_ && !is_mostly_void ? append() : write_anew();
}

// Atomically: file, fsync, rename, fsync of the folder.
Result<void> KeyFloors::write_anew() {
  const std::filesystem::path path(file_);
  std::error_code ignored;  // the open below says what is wrong
  std::filesystem::create_directories(path.parent_path(), ignored);
  std::string text = fmt::format("{}\nsalt {}\n", kHeading, hex(salt_));
  for (const auto& [key, floor] : floors_) text += line_of(key, floor.reserved);
  const std::string draft = file_ + ".new";
  const int descriptor = open(draft.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
  if (descriptor < 0) return system_error(draft, "cannot be written");
  const bool is_written = write_all(descriptor, text) && fsync(descriptor) == 0;
  const Error write_error = is_written ? Error{} : system_error(draft, "cannot be written");
  close(descriptor);
  if (!is_written) return write_error;
  if (rename(draft.c_str(), file_.c_str()) != 0) return system_error(file_, "cannot be replaced");
  if (!sync_folder(path.parent_path())) return system_error(file_, "its folder cannot be synced");
  if (appended_ >= 0) close(std::exchange(appended_, -1));
  can_append_ = true;
  is_unsynced_ = false;
  last_sync_ = std::chrono::steady_clock::now();
  lines_ = floors_.size();
  return {};
}

Result<void> KeyFloors::append() {
  if (appended_ < 0) appended_ = open(file_.c_str(), O_WRONLY | O_APPEND | O_CLOEXEC);
  if (appended_ < 0) return write_anew();  // somebody took it away
  std::string text;
  for (const KeyHash& key : changed_) text += line_of(key, floors_[key].reserved);
  if (!write_all(appended_, text)) {
    can_append_ = false;  // the last line may have no end
    return system_error(file_, "cannot be written");
  }
  lines_ += changed_.size();
  is_unsynced_ = true;
  return sync_if_due();
}

Result<void> KeyFloors::sync_if_due() {
  const auto now = std::chrono::steady_clock::now();
  if (!is_unsynced_ || now - last_sync_ < kSyncInterval) return {};
  if (fdatasync(appended_) != 0) return system_error(file_, "cannot be synced");
  is_unsynced_ = false;
  last_sync_ = now;
  return {};
}

Result<void> KeyFloors::load() {
  if (is_loaded_) return {};
  randombytes_buf(salt_.data(), salt_.size());
  if (storage_ != FloorStorage::in_memory) {
    std::ifstream stream(file_);
    if (stream) {
      std::stringstream content;
      content << stream.rdbuf();
      if (const Result<void> parsed = parse(content.str()); !parsed) return parsed;
    } else if (errno == EACCES && storage_ == FloorStorage::read_only) {
      spdlog::warn("{}: cannot be read by this user: manual keys may begin at higher numbers",
                   file_);
    } else if (errno != ENOENT) {
      return system_error(file_, "cannot be read");
    }
  }
  is_loaded_ = true;
  return {};
}

Result<void> KeyFloors::parse(const std::string& text) {
  const auto damaged = [this](std::size_t line) {
    return Error{EINVAL, fmt::format("{}:{}: damaged; delete the file only together with every "
                                     "manual key that was in use",
                                     file_, line)};
  };
  std::istringstream lines(text);
  std::string heading;
  std::string word;
  std::string salt;
  if (!std::getline(lines, heading) || heading != kHeading) return damaged(1);
  if (!(lines >> word >> salt) || word != "salt" || !from_hex(salt, salt_)) return damaged(2);
  lines.ignore(std::numeric_limits<std::streamsize>::max(), '\n');
  std::string entry;
  for (std::size_t line = 3; std::getline(lines, entry); ++line) {
    if (lines.eof()) return {};  // cut off while it was written
    std::istringstream words(entry);
    KeyHash key;
    std::uint64_t number = 0;
    std::string digits;
    if (!(words >> digits >> number) || !from_hex(digits, raw(key))) return damaged(line);
    floors_[key] = {.reserved = number, .saved = number, .last_used = number};
    ++lines_;
  }
  can_append_ = true;
  return {};
}

}  // namespace culvert
