// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <string>
#include <vector>

#include "control/api/protocol.h"

namespace culvert {

// Columns for a terminal: numbers to the right, text to the left, two blanks between.
class Table {
 public:
  explicit Table(std::vector<std::string> heads) : heads_(std::move(heads)) {}
  void add_row(std::vector<Json> cells) { rows_.push_back(std::move(cells)); }
  // Ends in a line end.
  [[nodiscard]] std::string text() const;

 private:
  std::vector<std::string> heads_;
  std::vector<std::vector<Json>> rows_;
};

// A value as a cell has it: strings without quotes, null as "-".
[[nodiscard]] std::string cell_text(const Json& value);

}  // namespace culvert
