// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include "control/api/protocol.h"
#include "control/sa_manager.h"

// What clients change by the API: policies of their own, with all that [[policy.entry]] can say.
//   {"version":1,"view":"policy_add","policy":{"direction":"out","action":"discard",
//    "src":"10.1.0.5-10.1.0.90","protocol":"udp","dst_ports":"1000-2000"}}
//   {"version":1,"view":"policy_delete","policy":{"direction":"out",...}}
//   {"version":1,"view":"policy_delete","index":9}

namespace culvert {

// The answer is the policy as an entry of the view `policy`. EINVAL: a field is wrong; EEXIST:
// there is one with this direction and selector; else as SaManager::add_policy.
[[nodiscard]] Result<Json> add_policy(SaManager& manager, const Json& request);
// Finds it by direction and selector, or by its index. ENOENT: there is none; EPERM: it came by
// XFRM or the configuration, where it is to be deleted. The answer is what it was.
[[nodiscard]] Result<Json> delete_policy(SaManager& manager, const Json& request);

}  // namespace culvert
