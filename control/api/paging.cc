// SPDX-License-Identifier: BSD-3-Clause
#include "control/api/paging.h"

#include <fmt/format.h>

#include <algorithm>
#include <cerrno>

namespace culvert {

Result<Page> page_of(const Json& request, std::size_t most) {
  Page page;
  for (const char* key : {"from", "limit"}) {
    const auto found = request.find(key);
    if (found == request.end()) continue;
    if (!found->is_number_unsigned() || found->get<std::uint64_t>() > 0xffffffff) {
      return Error{EINVAL,
                   fmt::format("{} {}: must be a number, 0 to 4294967295", key, found->dump())};
    }
  }
  page.from = request.value("from", std::uint32_t{0});
  page.limit = std::clamp<std::size_t>(request.value("limit", kApiPage), 1, most);
  return page;
}

}  // namespace culvert
