// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <cstddef>
#include <cstdint>

#include "control/api/protocol.h"
#include "control/result.h"

namespace culvert {

// The part of a list that a request asks for.
struct Page {
  std::uint32_t from = 0;
  std::size_t limit = kApiPage;
};

// EINVAL: `from` or `limit` is not a number. No page has more than `most` entries.
[[nodiscard]] Result<Page> page_of(const Json& request, std::size_t most = 10 * kApiPage);

}  // namespace culvert
