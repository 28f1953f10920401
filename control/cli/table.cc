// SPDX-License-Identifier: BSD-3-Clause
#include "control/cli/table.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstddef>

namespace culvert {
namespace {

void append_line(const std::vector<std::string>& cells, const std::vector<std::size_t>& widths,
                 const std::vector<bool>& is_number, std::string& text) {
  std::string line;
  for (std::size_t i = 0; i < cells.size(); ++i) {
    if (i != 0) line += "  ";
    line += is_number[i] ? fmt::format("{:>{}}", cells[i], widths[i])
                         : fmt::format("{:<{}}", cells[i], widths[i]);
  }
  line.erase(line.find_last_not_of(' ') + 1);
  text += line + "\n";
}

}  // namespace

std::string cell_text(const Json& value) {
  if (value.is_null()) return "-";
  if (value.is_boolean()) return value.get<bool>() ? "yes" : "no";
  if (value.is_string()) return value.get<std::string>();
  return value.dump();
}

std::string Table::text() const {
  std::vector<std::size_t> widths;
  std::vector<bool> is_number(heads_.size(), true);
  for (const std::string& head : heads_) widths.push_back(head.size());
  for (const auto& row : rows_) {
    for (std::size_t i = 0; i < heads_.size(); ++i) {
      widths[i] = std::max(widths[i], cell_text(row[i]).size());
      if (!row[i].is_number() && !row[i].is_null()) is_number[i] = false;
    }
  }
  std::string text;
  append_line(heads_, widths, is_number, text);
  for (const auto& row : rows_) {
    std::vector<std::string> cells;
    for (const Json& cell : row) cells.push_back(cell_text(cell));
    append_line(cells, widths, is_number, text);
  }
  return text;
}

}  // namespace culvert
