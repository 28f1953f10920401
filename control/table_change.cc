// SPDX-License-Identifier: BSD-3-Clause
#include "control/table_change.h"

#include <fmt/format.h>

#include <cerrno>
#include <optional>
#include <utility>

#include "control/api/sa_views.h"
#include "crypto/key.h"

namespace culvert {
namespace {

Error not_ours(const std::string& line) {
  return {EEXIST, line +
                      ": is there in another form and did not come from the configuration; "
                      "delete it first"};
}

// Equal in all that can be given; the key is another matter.
bool is_same_sa(const Sa& had, Sa wanted) {
  wanted.origin = had.origin;
  wanted.add_time_seconds = had.add_time_seconds;
  wanted.is_larval = had.is_larval;
  wanted.index = had.index;
  wanted.generation = had.generation;
  return wanted == had;
}

bool is_same_policy(const Policy& had, Policy wanted) {
  wanted.index = had.index;
  wanted.is_from_batch = had.is_from_batch;
  wanted.add_time_seconds = had.add_time_seconds;
  wanted.slot = had.slot;
  return wanted == had;
}

bool is_configured(const Policy& policy) {
  return policy.is_from_batch || policy.origin == PolicyOrigin::configuration;
}

// Does UPDSA make one of the other? See SaManager::update.
bool can_be_updated(const Sa& had, const Sa& wanted) {
  if (had.is_larval || had.encap.has_value() != wanted.encap.has_value()) return false;
  Sa updated = had;
  if (had.encap && had.encap->type == wanted.encap->type) updated.encap = wanted.encap;
  if (had.coaddr && wanted.coaddr) updated.coaddr = wanted.coaddr;
  updated.lifetimes = wanted.lifetimes;
  if (wanted.set_mark && *wanted.set_mark != Mark{}) updated.set_mark = wanted.set_mark;
  if (wanted.if_id != 0) updated.if_id = wanted.if_id;
  return is_same_sa(updated, wanted);
}

template <typename Visit>
void for_each_sa(const SaManager& manager, Visit visit) {
  for (auto sa = manager.next_sa(SaIndex{0}); sa;
       sa = manager.next_sa(SaIndex{sa->index.raw() + 1})) {
    visit(*sa);
  }
}

template <typename Visit>
void for_each_policy(const SaManager& manager, Visit visit) {
  for (auto policy = manager.next_policy(0); policy;
       policy = manager.next_policy(policy->slot + 1)) {
    visit(*policy);
  }
}

}  // namespace

std::string sa_line(const Json& sa) {
  return fmt::format("SA {} to {}: {} from {}, {} {}{}, reqid {}", sa.value("spi", ""),
                     sa.value("dst", ""), sa.value("direction", ""), sa.value("src", ""),
                     sa.value("mode", ""), sa.value("algorithm", ""),
                     sa.value("esn", false) ? " ESN" : "", sa.value("reqid", 0u));
}

std::string policy_line(const Json& policy) {
  const Json selector = policy.value("selector", Json::object());
  return fmt::format("policy {} from {} to {} {}: {}, priority {}", policy.value("direction", ""),
                     selector.value("src", ""), selector.value("dst", ""),
                     selector.value("protocol", ""), policy.value("action", ""),
                     policy.value("priority", 0u));
}

Result<TableChange> TableChange::between(const SaManager& running, const SaManager& wanted) {
  TableChange change(wanted);
  if (const auto compared = change.compare_sas(running); !compared) return compared.error();
  if (const auto compared = change.compare_policies(running); !compared) return compared.error();
  return change;
}

Result<void> TableChange::compare_sas(const SaManager& running) {
  for_each_sa(running, [&](const Sa& sa) {
    if (sa.origin != SaOrigin::manual || wanted_->find(sa.id)) return;
    lines_.push_back("- " + sa_line(sa_entry(running, sa)));
    removed_sas_.push_back(sa);
  });
  std::optional<Error> fault;
  for_each_sa(*wanted_, [&](const Sa& sa) {
    const std::string line = sa_line(sa_entry(*wanted_, sa));
    const auto had = running.find(sa.id);
    if (!had) {
      lines_.push_back("+ " + line);
      added_sas_.push_back(sa);
      return;
    }
    const bool has_same_key =
        constant_time_equal(running.key_of(had->index), wanted_->key_of(sa.index));
    if (has_same_key && is_same_sa(*had, sa)) return;
    if (had->origin != SaOrigin::manual) {
      if (!fault) fault = not_ours(line);
      return;
    }
    const bool is_update = has_same_key && can_be_updated(*had, sa);
    lines_.push_back(fmt::format("~ {}; {}", line,
                                 is_update      ? "goes on with other properties"
                                 : has_same_key ? "begins anew with other properties"
                                                : "begins anew with another key"));
    (is_update ? updated_sas_ : replaced_sas_).push_back(sa);
  });
  if (fault) return *fault;
  return {};
}

// The configuration's own policies are among its lines.
void TableChange::note(const char* sign, const SaManager& manager, const Policy& policy) {
  if (policy.origin != PolicyOrigin::xfrm) return;
  lines_.push_back(sign + policy_line(policy_entry(manager, policy)));
}

Result<void> TableChange::compare_policies(const SaManager& running) {
  for_each_policy(running, [&](const Policy& policy) {
    if (!is_configured(policy) || wanted_->find_policy(id_of(policy))) return;
    note("- ", running, policy);
    removed_policies_.push_back(policy);
  });
  std::optional<Error> fault;
  for_each_policy(*wanted_, [&](const Policy& policy) {
    const auto had = running.find_policy(id_of(policy));
    if (had && is_same_policy(*had, policy)) return;
    if (had && !is_configured(*had)) {
      if (!fault) fault = not_ours(policy_line(policy_entry(*wanted_, policy)));
      return;
    }
    note(had ? "~ " : "+ ", *wanted_, policy);
    Policy asked = policy;
    if (had) asked.index = had->index;
    const bool is_weakened = had && policy.priority > had->priority;
    (is_weakened ? weakened_policies_ : added_policies_).push_back(std::move(asked));
  });
  if (fault) return *fault;
  return {};
}

Result<void> TableChange::add(SaManager& running, const Sa& sa) const {
  Key key;
  if (!key.assign(wanted_->key_of(sa.index))) return Error{EINVAL, "the key is too long"};
  const auto added = running.add(sa, key);
  if (!added) return added.error();
  return {};
}

Result<void> TableChange::bring_new(SaManager& running) const {
  std::vector<Sa> late;
  for (const Sa& sa : added_sas_) {
    const auto added = add(running, sa);
    if (added) continue;
    // The key still serves an SA that is to go.
    if (added.error().code != EEXIST) return added;
    late.push_back(sa);
  }
  for (const Sa& sa : updated_sas_) {
    Key key;
    if (!key.assign(wanted_->key_of(sa.index))) return Error{EINVAL, "the key is too long"};
    if (const auto updated = running.update(sa, key); !updated) return updated.error();
  }
  for (const Policy& policy : added_policies_) {
    if (const auto put = running.update_policy(policy); !put) return put.error();
  }
  if (const auto sent = running.send(); !sent) return sent;
  return replace_sas(running, late);
}

// Until they are there again, what they protect is dropped.
Result<void> TableChange::replace_sas(SaManager& running, const std::vector<Sa>& late) const {
  for (const Sa& sa : replaced_sas_) {
    if (const auto removed = running.remove(sa.id); !removed) return removed;
  }
  for (const Sa& sa : late.empty() ? std::vector<Sa>{} : removed_sas_) {
    if (const auto removed = running.remove(sa.id); !removed) return removed;
  }
  for (const auto* sas : {&replaced_sas_, &late}) {
    for (const Sa& sa : *sas) {
      if (const auto added = add(running, sa); !added) return added;
    }
  }
  return running.send();
}

Result<void> TableChange::remove_old(SaManager& running) const {
  for (const Policy& policy : weakened_policies_) {
    if (const auto put = running.update_policy(policy); !put) return put.error();
  }
  for (const Policy& policy : removed_policies_) {
    if (const auto removed = running.remove_policy(id_of(policy)); !removed) return removed.error();
  }
  for (const Sa& sa : removed_sas_) {
    if (!running.find(sa.id)) continue;
    if (const auto removed = running.remove(sa.id); !removed) return removed;
  }
  return {};
}

}  // namespace culvert
