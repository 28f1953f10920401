// SPDX-License-Identifier: BSD-3-Clause
#include "control/config_table.h"

#include <fmt/format.h>

#include <algorithm>
#include <sstream>
#include <tuple>
#include <utility>

namespace culvert {
namespace {

// Levenshtein distance.
std::size_t distance(std::string_view left, std::string_view right) {
  std::vector<std::size_t> row(right.size() + 1);
  for (std::size_t j = 0; j < row.size(); ++j) row[j] = j;
  for (std::size_t i = 1; i <= left.size(); ++i) {
    std::size_t diagonal = row[0];
    row[0] = i;
    for (std::size_t j = 1; j <= right.size(); ++j) {
      const std::size_t replaced = diagonal + (left[i - 1] == right[j - 1] ? 0 : 1);
      diagonal = row[j];
      row[j] = std::min({row[j] + 1, row[j - 1] + 1, replaced});
    }
  }
  return row.back();
}

std::string listed(const std::vector<std::string>& words) {
  return fmt::format("{}", fmt::join(words, ", "));
}

}  // namespace

void ConfigErrors::add(const toml::source_region& where, std::string message, int code) {
  errors_.push_back({file_, static_cast<std::uint32_t>(where.begin.line),
                     static_cast<std::uint32_t>(where.begin.column), std::move(message), code});
}

std::vector<ConfigError> ConfigErrors::sorted() const {
  std::vector<ConfigError> result = errors_;
  std::stable_sort(result.begin(), result.end(), [](const auto& left, const auto& right) {
    return std::tie(left.line, left.column) < std::tie(right.line, right.column);
  });
  return result;
}

std::string shown(const toml::node& node) {
  if (node.is_table()) return "a table";
  if (node.is_array()) return "an array";
  std::ostringstream stream;
  node.visit([&stream](const auto& value) { stream << value; });
  std::string text = std::move(stream).str();
  return node.is_string() ? fmt::format("\"{}\"", *node.value<std::string_view>()) : text;
}

std::string nearest_word(std::string_view word, const std::vector<std::string>& words) {
  std::string nearest;
  std::size_t least = word.size() / 3 + 2;
  for (const std::string& candidate : words) {
    const std::size_t edits = distance(word, candidate);
    if (edits < least) {
      least = edits;
      nearest = candidate;
    }
  }
  return nearest;
}

ConfigTable::ConfigTable(const toml::table& table, std::string title, ConfigErrors& errors)
    : table_(table), title_(std::move(title)), errors_(errors) {}

const toml::node* ConfigTable::node(std::string_view key) {
  known_.emplace_back(key);
  return table_.get(key);
}

void ConfigTable::mention(const std::vector<std::string_view>& keys) {
  known_.insert(known_.end(), keys.begin(), keys.end());
}

std::optional<std::int64_t> ConfigTable::integer(std::string_view key, const Range& range) {
  const toml::node* value = node(key);
  if (value == nullptr) return std::nullopt;
  const auto number = value->value_exact<std::int64_t>();
  if (!number || *number < range.least || *number > range.most) {
    errors_.add(*value,
                fmt::format("{} {}: must be a whole number, {} to {}{}{}", key, shown(*value),
                            range.least, range.most, range.unit.empty() ? "" : " ", range.unit));
    return std::nullopt;
  }
  return number;
}

std::optional<bool> ConfigTable::boolean(std::string_view key) {
  const toml::node* value = node(key);
  if (value == nullptr) return std::nullopt;
  const auto flag = value->value_exact<bool>();
  if (!flag) errors_.add(*value, fmt::format("{} {}: must be true or false", key, shown(*value)));
  return flag;
}

std::optional<ConfigText> ConfigTable::text(std::string_view key) {
  const toml::node* value = node(key);
  if (value == nullptr) return std::nullopt;
  const auto words = value->value_exact<std::string>();
  if (!words || words->empty()) {
    errors_.add(*value,
                fmt::format("{} {}: must be a non-empty string in quotes", key, shown(*value)));
    return std::nullopt;
  }
  return ConfigText{*words, value};
}

std::optional<ConfigText> ConfigTable::required_text(std::string_view key) {
  auto result = text(key);
  if (!result && table_.get(key) == nullptr) {
    errors_.add(table_, fmt::format("{}: \"{}\" is missing", title_, key));
  }
  return result;
}

std::optional<std::string> ConfigTable::word(std::string_view key,
                                             const std::vector<std::string_view>& words) {
  const toml::node* value = node(key);
  if (value == nullptr) return std::nullopt;
  const auto text = value->value_exact<std::string>();
  if (text && std::find(words.begin(), words.end(), *text) != words.end()) return text;
  errors_.add(*value, fmt::format("{} {}: must be \"{}\"", key, shown(*value),
                                  fmt::join(words, "\" or \"")));
  return std::nullopt;
}

std::vector<ConfigText> ConfigTable::texts(std::string_view key) {
  const toml::node* value = node(key);
  if (value == nullptr) return {};
  const toml::array* array = value->as_array();
  if (array == nullptr) {
    errors_.add(*value,
                fmt::format("{} {}: must be a list of strings in brackets", key, shown(*value)));
    return {};
  }
  std::vector<ConfigText> result;
  for (const toml::node& element : *array) {
    const auto text = element.value_exact<std::string>();
    if (text && !text->empty()) {
      result.push_back({*text, &element});
    } else {
      errors_.add(element,
                  fmt::format("{} {}: must be a non-empty string in quotes", key, shown(element)));
    }
  }
  return result;
}

const toml::table* ConfigTable::section(std::string_view key) {
  const toml::node* value = node(key);
  if (value == nullptr) return nullptr;
  const toml::table* result = value->as_table();
  if (result == nullptr) {
    errors_.add(*value, fmt::format("{}: must be one section, written [{}]", key, key));
  }
  return result;
}

std::vector<const toml::table*> ConfigTable::sections(std::string_view key) {
  const toml::node* value = node(key);
  if (value == nullptr) return {};
  std::vector<const toml::table*> result;
  const toml::array* array = value->as_array();
  bool all_tables = array != nullptr;
  if (all_tables) {
    for (const toml::node& element : *array) {
      if (const toml::table* found = element.as_table()) {
        result.push_back(found);
      } else {
        all_tables = false;
      }
    }
  }
  if (!all_tables) {
    errors_.add(*value, fmt::format("{}: must be sections, each written [[{}]]", key, key));
  }
  return result;
}

void ConfigTable::finish() {
  for (const auto& [key, value] : table_) {
    const std::string name(key.str());
    if (std::find(known_.begin(), known_.end(), name) != known_.end()) continue;
    const std::string nearest = nearest_word(name, known_);
    const std::string hint = nearest.empty() ? fmt::format("allowed are {}", listed(known_))
                                             : fmt::format("did you mean \"{}\"?", nearest);
    errors_.add(key.source(), fmt::format("unknown key \"{}\" in {}: {}", name, title_, hint));
  }
}

}  // namespace culvert
