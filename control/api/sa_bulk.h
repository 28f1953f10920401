// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <cstddef>
#include <span>

#include "control/api/protocol.h"
#include "control/api/server.h"
#include "control/result.h"
#include "control/sa_manager.h"

// SAs by the ten thousand, with bytes behind the line (sa_batch.h has the records):
//   {"version":1,"view":"sa_batch","transforms":["aes128-gcm"],"fresh_keys":true,
//    "body_bytes":148000} and the records
//   {"version":1,"ok":true,"data":{"added":1000,"updated":0,"removed":0}}
//   {"version":1,"ok":false,"error":"record 17 (add spi 0x1011 to 192.0.2.1): ..."}
//   {"version":1,"view":"sa_dump","from":0,"limit":32768}
//   {"version":1,"ok":true,"data":{"records":1000,"next":null,"transforms":[...]},
//    "body_bytes":128000} and the records

namespace culvert {

inline constexpr std::size_t kMostDumpRecords = 32768;

// At most kMostBatchRecords, in their order, all of them or none, one acknowledgement. An SA that
// is to be added and is there exactly so (key too) is taken as done, so that a batch whose answer
// was lost may be sent again. With `fresh_keys` the client says that it made each key for this SA
// alone; without it sequence numbers have floors on disk, as for SAs from scripts.
// EINVAL, and what SaManager says: the record's number, its SA, what is wrong, what is allowed.
[[nodiscard]] Result<Json> change_sas(SaManager& manager, const Json& request,
                                      std::span<const std::byte> body);

// A page of SAs with their counters, from slot `from` on.
[[nodiscard]] Result<ApiServer::Reply> dump_sas(const SaManager& manager, const Json& request);

}  // namespace culvert
