// SPDX-License-Identifier: BSD-3-Clause
#include "control/xfrm/batch_text.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cctype>
#include <regex>

#include "control/sa_algorithms.h"

namespace culvert::xfrm {
namespace {

constexpr std::string_view kSpace = " \t\r\n\\";
constexpr std::size_t kLongestNumber = 2 + 16;  // of 64 bits in hexadecimal, behind "0x"
// Names of commands are no longer; a key is, whatever it is written in.
constexpr std::size_t kLongestCommandWord = 12;
// Behind these come the algorithm's name and its key.
constexpr std::array<std::string_view, 5> kBeforeAlgorithms = {"aead", "enc", "auth", "auth-trunc",
                                                               "comp"};

std::string_view first_word(std::string_view& rest) {
  const std::size_t start = rest.find_first_not_of(kSpace);
  if (start == std::string_view::npos) return rest = {};
  const std::size_t end = std::min(rest.find_first_of(kSpace, start), rest.size());
  const std::string_view word = rest.substr(start, end - start);
  rest.remove_prefix(end);
  return word;
}

// The line's part before a comment.
std::string_view without_comment(std::string_view line) {
  return line.substr(0, line.find('#'));
}

std::vector<std::string_view> words_of(std::string_view command) {
  std::vector<std::string_view> words;
  while (!command.empty()) {
    const std::size_t end = std::min(command.find('\n'), command.size());
    std::string_view line = without_comment(command.substr(0, end));
    command.remove_prefix(std::min(end + 1, command.size()));
    for (auto word = first_word(line); !word.empty(); word = first_word(line)) {
      words.push_back(word);
    }
  }
  return words;
}

std::string command_word(std::string_view word) {
  const bool is_plain = std::ranges::all_of(
      word, [](unsigned char letter) { return std::isalpha(letter) != 0 || letter == '-'; });
  return is_plain && word.size() <= kLongestCommandWord ? std::string(word) : "(not shown)";
}

bool is_hexadecimal(std::string_view word) {
  return word.starts_with("0x") || word.starts_with("0X");
}

bool may_be_key(const std::vector<std::string_view>& words, std::size_t index) {
  const std::string_view word = words[index];
  const auto follows = [&](std::size_t distance) {
    return index >= distance &&
           std::ranges::find(kBeforeAlgorithms, words[index - distance]) != kBeforeAlgorithms.end();
  };
  if (is_hexadecimal(word) && word.size() > kLongestNumber) return true;
  return (follows(1) || follows(2)) && !is_algorithm_name(word);
}

void replace_all(std::string& text, const std::string& what, const std::string& with) {
  for (std::size_t at = text.find(what); at != std::string::npos;
       at = text.find(what, at + with.size())) {
    text.replace(at, what.size(), with);
  }
}

}  // namespace

BatchCommands batch_commands(std::string_view text) {
  BatchCommands found;
  std::uint32_t number = 0;
  std::size_t at = 0;
  while (at < text.size()) {
    const std::size_t start = at;
    const std::uint32_t first = number + 1;
    // Two words say what a command is; more of it is not copied, it may be a key.
    SecretText command;
    bool is_continued = true;
    while (is_continued && at < text.size()) {
      const std::size_t end = std::min(text.find('\n', at), text.size());
      const std::string_view line = without_comment(text.substr(at, end - at));
      is_continued = end < text.size() && line.ends_with('\\');
      at = std::min(end + 1, text.size());
      ++number;
      if (command.size() < 64) command.append(line.substr(0, 64)).push_back(' ');
    }
    std::string_view rest = command;
    const std::string_view program = first_word(rest);
    if (program.empty()) continue;
    const std::string_view object = first_word(rest);
    if (program == "xfrm" && (object == "state" || object == "policy")) {
      found.taken.push_back({number, start, at});
      continue;
    }
    found.others.push_back({number, start, at});
    found.faults.push_back(
        {first, fmt::format("\"{} {}\": only \"xfrm state ...\" and \"xfrm policy ...\" are "
                            "allowed",
                            command_word(program), command_word(object))});
  }
  return found;
}

bool holds_keys(std::string_view text) {
  constexpr std::array<std::string_view, 4> kBeforeKeys = {"aead ", "enc ", "auth ", "auth-trunc "};
  return std::ranges::any_of(kBeforeKeys, [text](std::string_view word) {
    return text.find(word) != std::string_view::npos;
  });
}

std::string without_keys(std::string_view said, std::string_view command) {
  static const std::regex kLineNumber("Command failed -:[0-9]+");
  static const std::regex kLongHexadecimal("0[xX][0-9a-fA-F]{17,}");
  static const std::regex kQuoted("\"[^\"]{17,}\"");
  static const std::regex kBreaks("\\s*\n\\s*");
  static const std::regex kEdges("^[\\s;]+|[\\s;]+$");
  std::string text = std::regex_replace(std::string(said), kLineNumber, "");
  const std::vector<std::string_view> words = words_of(command);
  for (std::size_t i = 0; i < words.size(); ++i) {
    if (!may_be_key(words, i)) continue;
    const std::string shown = fmt::format("(word {} of the line, not shown)", i + 1);
    replace_all(text, fmt::format("\"{}\"", words[i]), shown);
    if (words[i].size() > kLongestCommandWord) replace_all(text, std::string(words[i]), shown);
  }
  text = std::regex_replace(text, kLongHexadecimal, "(not shown)");
  if (text.find("KEY") != std::string::npos) {
    text = std::regex_replace(text, kQuoted, "\"(not shown)\"");
  }
  text = std::regex_replace(text, kBreaks, "; ");
  return std::regex_replace(text, kEdges, "");
}

}  // namespace culvert::xfrm
