// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <cstddef>
#include <nlohmann/json.hpp>

// What culvert-control and its clients say to each other over the unix socket `api.sock` of the
// runtime directory. A client sends one JSON object per line and gets one line back for each:
//   {"version":1,"view":"sa","from":0,"limit":500}
//   {"version":1,"ok":true,"data":{"sas":[...],"next":500}}
//   {"version":1,"ok":false,"error":"view \"sas\": ..."}
// With "body_bytes":N in a request, N bytes follow its line, and with it in an answer the answer's:
// see control/api/sa_bulk.h.
// Views: sa, policy (in pages: `from` a slot, `limit` entries, `next` null at the end), ports,
// routes, drops, balance, workers, version, running, events (`from` a number; `next` is what to ask
// from the next time). Some act: policy_add and policy_delete, see policy_commands.h; `reload`, see
// control/reload.h; `trace`, see control/api/trace_session.h.

namespace culvert {

// Keys come out in the order they were put in.
using Json = nlohmann::ordered_json;

// Raised when a client of before would misread an answer.
inline constexpr int kApiVersion = 1;
inline constexpr std::size_t kLongestApiRequestBytes = 65536;
inline constexpr std::size_t kLongestApiBodyBytes = 16 << 20;
inline constexpr std::size_t kApiPage = 500;  // entries of a page when the client does not say

}  // namespace culvert
