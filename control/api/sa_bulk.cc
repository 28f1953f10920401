// SPDX-License-Identifier: BSD-3-Clause
#include "control/api/sa_bulk.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <numeric>
#include <string>
#include <vector>

#include "control/api/paging.h"
#include "control/api/sa_batch.h"

namespace culvert {
namespace {

constexpr std::size_t kMostNames = 256;

Result<std::vector<TransformId>> transforms_of(const Json& request) {
  const auto names = request.find("transforms");
  if (names == request.end() || !names->is_array() || names->size() > kMostNames) {
    return Error{EINVAL, fmt::format("\"transforms\": must be a list of at most {} names, such as "
                                     "\"aes128-gcm\"",
                                     kMostNames)};
  }
  std::vector<TransformId> transforms;
  for (const Json& name : *names) {
    const auto found = name.is_string() ? transform_named(name.get<std::string>()) : std::nullopt;
    if (!found) {
      return Error{EINVAL, fmt::format("transform {}: there is none of this name",
                                       name.dump(-1, ' ', false, Json::error_handler_t::replace))};
    }
    transforms.push_back(*found);
  }
  return transforms;
}

Result<SaOrigin> origin_of(const Json& request) {
  const Json fresh = request.value("fresh_keys", Json(false));
  if (!fresh.is_boolean()) return Error{EINVAL, "\"fresh_keys\": must be true or false"};
  return fresh.get<bool>() ? SaOrigin::automatic : SaOrigin::by_hand;
}

Result<void> carry_out(SaManager& manager, const SaBatchReader& reader) {
  switch (reader.op()) {
    case SaBatchOp::add: {
      const auto added = manager.add_one(reader.sa(), reader.key());
      return added ? Result<void>{} : added.error();
    }
    case SaBatchOp::update: {
      const auto updated = manager.update(reader.sa(), reader.key());
      return updated ? Result<void>{} : updated.error();
    }
    case SaBatchOp::remove:
      break;
  }
  return manager.remove(reader.sa().id);
}

// By SaBatchOp. The transaction is open, and stays so.
using Counts = std::array<std::size_t, 4>;
Result<Counts> carry_out_all(SaManager& manager, SaBatchReader& reader) {
  Counts counts{};
  for (std::size_t number = 0; !reader.is_at_end(); ++number) {
    if (number == kMostBatchRecords) {
      return Error{EINVAL, fmt::format("a batch has at most {} records", kMostBatchRecords)};
    }
    Result<void> done = reader.read();
    if (done) done = carry_out(manager, reader);
    if (!done) {
      return Error{done.error().code,
                   fmt::format("record {} ({}): {}", number, reader.name(), done.error().message)};
    }
    ++counts[static_cast<std::size_t>(reader.op())];
  }
  return counts;
}

Json names_of_transforms() {
  Json names = Json::array();
  for (const TransformInfo& info : kTransforms) names.push_back(std::string(info.name));
  return names;
}

SaDumpRecord dump_record(const SaManager& manager, SaIndex index) {
  const SaSpec& spec = manager.spec_of(index);
  const SaFigures figures = manager.figures(index);
  return {.slot = index.raw(),
          .family = spec.family,
          .direction = spec.direction,
          .mode = spec.mode,
          .transform = spec.transform,
          .spi = spec.spi,
          .reqid = spec.reqid,
          .src = spec.src,
          .dst = spec.dst,
          .replay_window = figures.window,
          .is_esn = (spec.flags & kSaEsn) != 0 ? 1u : 0u,
          .sequence = figures.sequence,
          .packets = figures.packets,
          .bytes = figures.bytes,
          .drops = std::accumulate(figures.drops.begin(), figures.drops.end(), std::uint64_t{0}),
          .first_used_ns = figures.first_used_ns,
          .last_used_ns = figures.last_used_ns,
          .reserved = {}};
}

}  // namespace

Result<Json> change_sas(SaManager& manager, const Json& request, std::span<const std::byte> body) {
  const auto transforms = transforms_of(request);
  if (!transforms) return transforms.error();
  const auto origin = origin_of(request);
  if (!origin) return origin.error();
  SaBatchReader reader(body, *transforms, *origin);
  manager.begin();
  const auto counts = carry_out_all(manager, reader);
  if (!counts) {
    manager.rollback();
    return counts.error();
  }
  if (const auto committed = manager.commit(); !committed) return committed.error();
  const auto count = [&counts](SaBatchOp op) { return (*counts)[static_cast<std::size_t>(op)]; };
  return Json{{"added", count(SaBatchOp::add)},
              {"updated", count(SaBatchOp::update)},
              {"removed", count(SaBatchOp::remove)}};
}

Result<ApiServer::Reply> dump_sas(const SaManager& manager, const Json& request) {
  const auto page = page_of(request, kMostDumpRecords);
  if (!page) return page.error();
  ApiServer::Reply reply;
  reply.body.reserve(std::min<std::size_t>(page->limit, manager.sad_counts().sas) *
                     sizeof(SaDumpRecord));
  std::size_t records = 0;
  auto index = manager.next_index(SaIndex{page->from});
  for (; index && records < page->limit; index = manager.next_index(SaIndex{index->raw() + 1})) {
    const SaDumpRecord record = dump_record(manager, *index);
    reply.body.append(reinterpret_cast<const char*>(&record), sizeof record);
    ++records;
  }
  reply.data = {{"records", records},
                {"next", index ? Json(index->raw()) : Json()},
                {"sas", manager.sad_counts().sas},
                {"max_sas", manager.sad_counts().max_sas},
                {"transforms", names_of_transforms()}};
  return reply;
}

}  // namespace culvert
