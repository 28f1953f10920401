// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <toml++/toml.h>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "control/config.h"

namespace culvert {

// Gathers what is wrong in one file.
class ConfigErrors {
 public:
  explicit ConfigErrors(std::string file) : file_(std::move(file)) {}
  void add(const toml::source_region& where, std::string message, int code = EINVAL);
  void add(const toml::node& where, std::string message) {
    add(where.source(), std::move(message));
  }
  [[nodiscard]] bool empty() const { return errors_.empty(); }
  // In the file's order.
  [[nodiscard]] std::vector<ConfigError> sorted() const;

 private:
  std::string file_;
  std::vector<ConfigError> errors_;
};

// A string of the file and where it stands.
struct ConfigText {
  std::string value;
  const toml::node* node = nullptr;
};

// Reads the keys of one table. A key with the wrong type or out of range is reported and read as
// absent; keys that nobody asked for are reported by finish().
class ConfigTable {
 public:
  // `title` is how messages call the table: "[dataplane]", "[[port]]".
  ConfigTable(const toml::table& table, std::string title, ConfigErrors& errors);

  struct Range {
    std::int64_t least;
    std::int64_t most;
    std::string_view unit;  // "bytes", or empty
  };
  [[nodiscard]] std::optional<std::int64_t> integer(std::string_view key, const Range& range);
  [[nodiscard]] std::optional<bool> boolean(std::string_view key);
  [[nodiscard]] std::optional<ConfigText> text(std::string_view key);
  // As text(); an absent key is an error too.
  [[nodiscard]] std::optional<ConfigText> required_text(std::string_view key);
  // One of a few words.
  [[nodiscard]] std::optional<std::string> word(std::string_view key,
                                                const std::vector<std::string_view>& words);
  [[nodiscard]] std::vector<ConfigText> texts(std::string_view key);
  // The key's value whatever its type; nullptr when absent.
  [[nodiscard]] const toml::node* node(std::string_view key);
  // One [section]; nullptr when absent.
  [[nodiscard]] const toml::table* section(std::string_view key);
  // Keys that would be allowed, too; they are not there.
  void mention(const std::vector<std::string_view>& keys);
  // The tables of [[key]].
  [[nodiscard]] std::vector<const toml::table*> sections(std::string_view key);

  [[nodiscard]] const toml::table& table() const { return table_; }
  void finish();

 private:
  const toml::table& table_;
  std::string title_;
  ConfigErrors& errors_;
  std::vector<std::string> known_;
};

// A value as the file has it, for messages: 12, "abc", true, a table.
[[nodiscard]] std::string shown(const toml::node& node);

// The word of `words` that `word` is probably meant to be; empty when none is near.
[[nodiscard]] std::string nearest_word(std::string_view word,
                                       const std::vector<std::string>& words);

}  // namespace culvert
