// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "control/api/client.h"
#include "control/api/protocol.h"
#include "control/result.h"

// `culvert show`: views of the API as text.

namespace culvert {

enum class Output { text, json };
enum class SaDetail { full, brief };

struct ShowOptions {
  std::string view;
  Output output = Output::text;
  SaDetail detail = SaDetail::full;
  std::string spi;         // only SAs with this SPI, as "0x1001" or "4097"; empty: all
  bool all_drops = false;  // also reasons that never occurred
};

inline constexpr std::string_view kSpiForm = "a number of 32 bits, such as 0x1001 or 4097";
[[nodiscard]] std::optional<std::uint32_t> parse_spi(std::string_view text);

// What `culvert show` prints. An error when the running control could not be asked.
[[nodiscard]] Result<std::string> show(ApiClient& client, const ShowOptions& options);

// The views' data as text.
[[nodiscard]] std::string sas_text(const Json& sas, SaDetail detail);
[[nodiscard]] std::string policies_text(const Json& data);
[[nodiscard]] std::string ports_text(const Json& ports);
[[nodiscard]] std::string routes_text(const Json& data);
[[nodiscard]] std::string drops_text(const Json& drops, const std::string& none);
[[nodiscard]] std::string workers_text(const Json& workers);
[[nodiscard]] std::string pairs_text(const Json& data);

}  // namespace culvert
