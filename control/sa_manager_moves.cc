// SPDX-License-Identifier: BSD-3-Clause
// Moves of SAs and policies to other ends: MIGRATE, and peers whose NAT changed its mapping.
#include <fmt/format.h>
#include <spdlog/spdlog.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <vector>

#include "control/address_text.h"
#include "control/sa_manager.h"

namespace culvert {
namespace {

Result<void> check_moves(const std::vector<SaMove>& moves) {
  if (moves.empty() || moves.size() > kMaxTemplates) {
    return Error{EINVAL, fmt::format("{} moves: must be 1 to {}", moves.size(), kMaxTemplates)};
  }
  for (const SaMove& move : moves) {
    if (move.new_src == IpAddress{} || move.new_dst == IpAddress{}) {
      return Error{EINVAL, "Addresses in the MIGRATE attribute's list cannot be null"};
    }
    const auto is_like = [&move](const SaMove& other) {
      return other.old_src == move.old_src && other.old_dst == move.old_dst &&
             other.protocol == move.protocol && other.mode == move.mode &&
             other.reqid == move.reqid && other.family == move.family;
    };
    if (std::ranges::count_if(moves, is_like) > 1) {
      return Error{EINVAL, "Entries in the MIGRATE attribute's list must be unique"};
    }
  }
  return {};
}

bool concerns(const SaMove& move, const Template& wanted) {
  return wanted.mode == move.mode && wanted.protocol == move.protocol &&
         (wanted.reqid == move.reqid || move.reqid == 0) && wanted.mode == XfrmMode::tunnel &&
         wanted.family == move.family && wanted.src == move.old_src && wanted.dst == move.old_dst;
}

}  // namespace

// As xfrm_migrate: the policy must be there and have a template that moves; SAs need not.
Result<void> SaManager::migrate(const Migration& asked) {
  if (const Result<void> checked = check_moves(asked.moves); !checked) return checked;
  return atomically<Result<void>>([&]() -> Result<void> {
    const std::uint32_t slot = policies_.find(asked.policy);
    if (slot == kNoSlot) return Error{ENOENT, "Target policy not found"};
    for (const SaMove& move : asked.moves) {
      if (const Result<void> moved = move_sas_within(move); !moved) return moved;
    }
    if (!move_templates_within(slot, asked.moves)) {
      return Error{ENODATA, "no template of the policy is between these ends"};
    }
    transaction_.events.emplace_back([asked](SaListener& to) { to.on_migrated(asked); });
    return {};
  });
}

// The oldest first, so that the newest is the first to be found afterwards too.
Result<void> SaManager::move_sas_within(const SaMove& move) {
  std::vector<std::uint32_t> slots;
  sas_.for_each_of({move.old_dst, move.reqid}, [&](std::uint32_t slot) {
    const SaRecord record = sas_.record(slot);
    const SaSpec& spec = sas_.spec(slot);
    if (spec.src == move.old_src && spec.family == move.family && record.mode == move.mode &&
        record.state != SlotState::larval) {
      slots.push_back(slot);
    }
    return true;
  });
  for (auto slot = slots.rbegin(); slot != slots.rend(); ++slot) {
    if (const Result<void> moved = move_sa_within(*slot, move); !moved) return moved;
  }
  return {};
}

Result<void> SaManager::move_sa_within(std::uint32_t slot, const SaMove& move) {
  const SaSpec old_spec = sas_.spec(slot);
  const SaRecord old_record = sas_.record(slot);
  Sa sa = sas_.sa(slot);
  sa.src = move.new_src;
  sa.id.dst = move.new_dst;
  if (move.encap) sa.encap = move.encap;
  if (const std::uint32_t other = sas_.find(sa.id); other != kNoSlot && other != slot) {
    return Error{EEXIST, fmt::format("spi {:#x}: an SA with this SPI to {} exists", sa.id.spi.raw(),
                                     address_text(sa.id.family, sa.id.dst))};
  }
  SaRecord record = old_record;
  describe(sa, record);
  record.needs_update = 1;
  SaSpec spec = old_spec;
  describe(sa, spec);
  if (sa.encap) spec.flags |= kSaUdpEncap;
  const auto put = [this, slot](const SaSpec& new_spec, const SaRecord& new_record) {
    mark_policies_wanting(slot);
    sas_.delist(slot);
    sas_.spec(slot) = new_spec;
    sas_.set_record(slot, new_record);
    sas_.list(slot);
    mark_policies_wanting(slot);
    transaction_.queue.update_sa(slot, new_spec.generation);
  };
  put(spec, record);
  transaction_.changed_sas.push_back(slot);
  transaction_.undo.emplace_back([put, old_spec, old_record] { put(old_spec, old_record); });
  return {};
}

// False: none of its templates moves.
bool SaManager::move_templates_within(std::uint32_t slot, std::span<const SaMove> moves) {
  Policy policy = policies_.policy(slot);
  bool has_moved = false;
  for (Template& wanted : policy.templates) {
    for (const SaMove& move : moves) {
      if (!concerns(move, wanted)) continue;
      wanted.src = move.new_src;
      wanted.dst = move.new_dst;
      has_moved = true;
      break;
    }
  }
  if (has_moved) replace_within(slot, policy);
  return has_moved;
}

// All SAs between the old ends, and the policies that name these, in one step of both directions.
// All policies are walked: peers do not move often.
void SaManager::follow_peer(const Sa& sa, const PeerEndpoint& peer) {
  SaMove in{.family = sa.id.family,
            .old_src = sa.src,
            .old_dst = sa.id.dst,
            .new_src = peer.address,
            .new_dst = sa.id.dst,
            .mode = sa.mode,
            .reqid = sa.reqid,
            .encap = sa.encap};
  in.encap->src_port = peer.port;
  SaMove out = in;
  std::swap(out.old_src, out.old_dst);
  std::swap(out.new_src, out.new_dst);
  std::swap(out.encap->src_port, out.encap->dst_port);
  const std::array moves{in, out};
  const auto done = atomically<Result<void>>([&]() -> Result<void> {
    for (const SaMove& move : moves) {
      if (const Result<void> moved = move_sas_within(move); !moved) return moved;
    }
    for (std::uint32_t slot = policies_.next_listed(0); slot != kNoSlot;
         slot = policies_.next_listed(slot + 1)) {
      static_cast<void>(move_templates_within(slot, moves));
    }
    return {};
  });
  const std::string from = address_text(sa.id.family, sa.src);
  const std::string to =
      fmt::format("{} port {}", address_text(sa.id.family, peer.address), peer.port.host());
  if (done) {
    spdlog::info("spi {:#x}: followed its peer from {} to {}", sa.id.spi.raw(), from, to);
  } else {
    spdlog::warn("spi {:#x}: could not follow its peer from {} to {}: {}", sa.id.spi.raw(), from,
                 to, done.error().message);
  }
}

}  // namespace culvert
