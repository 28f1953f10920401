// SPDX-License-Identifier: BSD-3-Clause
#include "control/cli/balance.h"

#include <fmt/format.h>

#include <array>
#include <cstdlib>
#include <iterator>
#include <utility>

namespace culvert {
namespace {

constexpr std::array kComeIn = {"received", "from_linux", "originated", "split"};
constexpr std::array kGoOut = {"sent", "punted", "drops", "merged", "held"};
constexpr std::uint32_t kMostReadings = 40;
// Readings in a row that find counters still and unequal before that counts as final.
constexpr std::uint32_t kStillReadings = 6;
// Rings between workers and the housekeeper, and the bursts in workers' hands.
constexpr std::int64_t kMostUnderWay = 8192;

std::int64_t term(const Json& terms, const char* name) {
  return static_cast<std::int64_t>(terms.value(name, std::uint64_t{0}));
}

template <std::size_t size>
std::int64_t sum(const Json& terms, const std::array<const char*, size>& names) {
  std::int64_t total = 0;
  for (const char* name : names) total += term(terms, name);
  return total;
}

template <std::size_t size>
void append_side(const Json& terms, const std::array<const char*, size>& names, std::string& heads,
                 std::string& numbers) {
  for (std::size_t i = 0; i < size; ++i) {
    const std::string number = std::to_string(term(terms, names[i]));
    const std::size_t width = std::max(number.size(), std::string_view(names[i]).size());
    const char* plus = i == 0 ? "" : " + ";
    heads += fmt::format("{}{:>{}}", plus, names[i], width);
    numbers += fmt::format("{}{:>{}}", plus, number, width);
  }
}

}  // namespace

std::int64_t imbalance(const Json& terms) {
  return sum(terms, kComeIn) - sum(terms, kGoOut);
}

Result<BalanceVerdict> judge_balance(const std::function<Result<Json>()>& read,
                                     const std::function<void()>& pause) {
  BalanceVerdict verdict;
  std::int64_t fewest = 0;
  std::uint32_t still = 0;
  Json before;
  while (verdict.readings < kMostReadings) {
    if (verdict.readings != 0) pause();
    auto terms = read();
    if (!terms) return terms.error();
    ++verdict.readings;
    const std::int64_t difference = imbalance(*terms);
    if (verdict.readings == 1 || std::abs(difference) < std::abs(fewest)) fewest = difference;
    verdict.is_settled = terms->value("stable", false);
    verdict.terms = std::move(*terms);
    still = verdict.terms == before ? still + 1 : 0;
    before = verdict.terms;
    if (difference == 0 || still == kStillReadings) {
      verdict.under_way = difference;
      verdict.is_ok = difference == 0;
      return verdict;
    }
  }
  verdict.under_way = fewest;
  verdict.is_ok = fewest >= 0 && fewest <= kMostUnderWay;
  return verdict;
}

std::string balance_text(const BalanceVerdict& verdict) {
  std::string heads;
  std::string numbers;
  append_side(verdict.terms, kComeIn, heads, numbers);
  heads += " = ";
  numbers += verdict.under_way == 0 ? " = " : " ? ";
  append_side(verdict.terms, kGoOut, heads, numbers);
  const std::int64_t in = sum(verdict.terms, kComeIn);
  const std::int64_t out = sum(verdict.terms, kGoOut);
  std::string words;
  if (verdict.under_way == 0) {
    words = fmt::format("{} = {}: ok, every packet is accounted for", in, out);
  } else if (verdict.is_ok) {
    words = fmt::format(
        "{} in, {} out: ok, traffic did not pause, at least {} packets were under "
        "way in each of {} readings",
        in, out, verdict.under_way, verdict.readings);
  } else {
    words = fmt::format("{} in, {} out: not ok, {} packets are {}", in, out,
                        std::abs(verdict.under_way),
                        verdict.under_way > 0 ? "unaccounted for" : "counted twice");
  }
  return fmt::format("{}\n{}\n{}\n", heads, numbers, words);
}

Json balance_json(const BalanceVerdict& verdict) {
  Json json = verdict.terms;
  json.erase("stable");
  json["balance"] = verdict.is_ok ? "ok" : "not ok";
  json["ok"] = verdict.is_ok;
  json["under_way"] = verdict.under_way;
  json["readings"] = verdict.readings;
  return json;
}

}  // namespace culvert
