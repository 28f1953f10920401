// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <linux/xfrm.h>

#include <cstdint>
#include <optional>
#include <vector>

#include "control/result.h"
#include "control/sa_manager.h"
#include "control/xfrm/codec_policy.h"
#include "control/xfrm/codec_sa.h"
#include "control/xfrm/netlink.h"

namespace culvert::xfrm {

// What a change was caused by, for the notifications about it: as in the request's header.
struct Cause {
  std::uint32_t sequence = 0;
  std::uint32_t port_id = 0;
};

// A GETSA or GETPOLICY dump under way.
struct Dump {
  enum class Kind : std::uint8_t { sas, policies };
  Kind kind = Kind::sas;
  SaFilter filter;
  std::uint32_t next = 0;  // slot to go on at
  std::uint32_t sequence = 0;
};

// Everything an answer says about an SA; the key's bytes stay where they are. `sa` must outlive it.
[[nodiscard]] SaView view_of(const SaManager& manager, const Sa& sa);

// The fixed part of GETDEFAULT, in answers and notifications.
void write_default(MessageWriter& writer, const DefaultVerdicts& verdicts);

// Carries out XFRM requests on the SA manager, as net/xfrm/xfrm_user.c does on the kernel's tables.
class RequestHandler {
 public:
  explicit RequestHandler(SaManager& manager) : manager_(manager) {}

  // One answer datagram to the program's socket, which has this port id.
  struct Reply {
    std::uint32_t port_id = 0;
    std::vector<SecretBytes> datagrams;
    std::optional<Dump> dump;  // set where the request was one for a dump: no acknowledgement
  };
  // Carries out one request; an SA that it makes is of this origin. Errors carry the kernel's
  // errno; an empty text where the kernel has none, so that tools say what they always said ("File
  // exists").
  [[nodiscard]] Result<void> handle(const NetlinkMessage& message, SaOrigin origin, Reply& reply);

  // The next datagram of a dump, the last one ends in NLMSG_DONE; true with that one.
  [[nodiscard]] bool continue_dump(Dump& dump, std::uint32_t port_id, SecretBytes& datagram);

  // Of the request being carried out; zero at other times.
  [[nodiscard]] const Cause& cause() const { return cause_; }
  // Requests that ended in an error.
  [[nodiscard]] std::uint64_t refused_count() const { return refused_count_; }

 private:
  [[nodiscard]] Result<void> dispatch(const NetlinkMessage& message, Reply& reply);
  [[nodiscard]] Result<void> start_dump(const NetlinkMessage& message, Reply& reply);

  [[nodiscard]] Result<void> new_sa(const NetlinkMessage& message, Reply& reply);
  [[nodiscard]] Result<void> delete_sa(const NetlinkMessage& message, Reply& reply);
  [[nodiscard]] Result<void> get_sa(const NetlinkMessage& message, Reply& reply);
  [[nodiscard]] Result<void> allocate_spi(const NetlinkMessage& message, Reply& reply);
  [[nodiscard]] Result<void> flush_sas(const NetlinkMessage& message, Reply& reply);
  [[nodiscard]] Result<void> new_ae(const NetlinkMessage& message);
  [[nodiscard]] Result<void> get_ae(const NetlinkMessage& message, Reply& reply);
  [[nodiscard]] Result<void> get_sad_info(const NetlinkMessage& message, Reply& reply);
  [[nodiscard]] Result<void> new_policy(const NetlinkMessage& message, Reply& reply);
  [[nodiscard]] Result<void> delete_policy(const NetlinkMessage& message, Reply& reply);
  [[nodiscard]] Result<void> get_policy(const NetlinkMessage& message, Reply& reply);
  [[nodiscard]] Result<void> migrate(const NetlinkMessage& message);
  [[nodiscard]] Result<void> flush_policies(const NetlinkMessage& message, Reply& reply);
  [[nodiscard]] Result<void> get_spd_info(const NetlinkMessage& message, Reply& reply);
  [[nodiscard]] Result<void> set_spd_info(const NetlinkMessage& message, Reply& reply);
  [[nodiscard]] Result<void> set_default(const NetlinkMessage& message, Reply& reply);
  [[nodiscard]] Result<void> get_default(const NetlinkMessage& message, Reply& reply);

  void answer_sa(const Sa& sa, std::uint32_t sequence, Reply& reply) const;
  [[nodiscard]] Result<Policy> find_named(const PolicyName& name) const;
  [[nodiscard]] std::uint32_t dump_one(Dump& dump, MessageWriter& writer, std::uint32_t port_id);

  SaManager& manager_;
  SaOrigin origin_ = SaOrigin::automatic;  // of the request being carried out
  Cause cause_;
  std::uint64_t refused_count_ = 0;
  // Hash thresholds of the kernel's policy table, kept only to be shown again.
  xfrmu_spdhthresh threshold_v4_{32, 32};
  xfrmu_spdhthresh threshold_v6_{128, 128};
};

}  // namespace culvert::xfrm
