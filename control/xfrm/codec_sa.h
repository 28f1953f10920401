// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "control/result.h"
#include "control/sa.h"
#include "control/xfrm/codec_common.h"
#include "control/xfrm/netlink.h"
#include "crypto/key.h"

// SAs as XFRM netlink writes them. Parsing checks what net/xfrm/xfrm_user.c checks, with its error
// numbers and texts; what an SA may be otherwise is the SA manager's to say.

namespace culvert::xfrm {

// NEWSA, UPDSA.
struct SaRequest {
  Sa sa;
  Key key;  // cipher key and salt, authentication key
};
// EINVAL, ERANGE: the message is malformed or inconsistent. EOPNOTSUPP: asks for what culvert never
// does (offload to a NIC, IPComp, a security context).
[[nodiscard]] Result<SaRequest> parse_sa(const NetlinkMessage& message);

// DELSA, GETSA.
[[nodiscard]] Result<SaId> parse_sa_id(const NetlinkMessage& message);

// GETAE.
struct AeRequest {
  SaId id;
  std::uint32_t flags = 0;  // XFRM_AE_*
};
[[nodiscard]] Result<AeRequest> parse_get_ae(const NetlinkMessage& message);

// NEWAE; only the replay state of it is of use.
struct AeUpdate {
  SaId id;
  std::optional<ReplayAsked> replay;
};
// EINVAL as in net/xfrm: nothing to set, or not said to replace.
[[nodiscard]] Result<AeUpdate> parse_new_ae(const NetlinkMessage& message);

// ALLOCSPI.
struct SpiRange {
  Sa larval;  // no SPI, no key
  std::uint32_t min = 0;
  std::uint32_t max = 0;
};
[[nodiscard]] Result<SpiRange> parse_allocate_spi(const NetlinkMessage& message);

// Which SAs a GETSA dump is to contain.
struct SaFilter {
  std::uint8_t protocol = 0;  // 0: all
  bool has_addresses = false;
  Family family = Family::none;
  std::uint8_t src_prefix_bits = 0;
  std::uint8_t dst_prefix_bits = 0;
  IpAddress src;
  IpAddress dst;
  [[nodiscard]] bool matches(const Sa& sa) const;
};
[[nodiscard]] Result<SaFilter> parse_sa_filter(const NetlinkMessage& message);

// What an answer says about an SA.
struct SaView {
  const Sa& sa;
  SaFigures figures;
  bool is_outbound = false;
  std::vector<std::uint32_t> replay_bitmap;  // bit i of word i / 32: number top - i was seen
  std::span<const std::byte> key;            // may be empty: shown as zeros
};

// Behind `writer.begin`: the fixed part of NEWSA, and all attributes.
void write_sa(MessageWriter& writer, const SaView& view);
// The fixed part of DELSA, XFRMA_SA, and all attributes: the notification that an SA went.
void write_sa_deletion(MessageWriter& writer, const SaView& view);
// The fixed part of EXPIRE, and its attributes.
void write_sa_expiry(MessageWriter& writer, const SaView& view, SaExpiry expiry);
// MAPPING.
void write_sa_mapping(MessageWriter& writer, const Sa& sa, const PeerEndpoint& peer);
// The fixed part of NEWAE, and its attributes.
void write_ae(MessageWriter& writer, const SaView& view, std::uint32_t flags);

}  // namespace culvert::xfrm
