// SPDX-License-Identifier: BSD-3-Clause
#include "control/api/policy_commands.h"

#include <fmt/format.h>

#include <cerrno>

#include "control/api/sa_views.h"
#include "control/policy_text.h"

namespace culvert {
namespace {

Result<std::string> field_text(const std::string& key, const Json& value) {
  if (value.is_string()) return value.get<std::string>();
  if (value.is_number_integer() || value.is_boolean()) return value.dump();
  return Error{EINVAL, fmt::format("{} {}: must be a string, a whole number, true or false", key,
                                   value.dump(-1, ' ', false, Json::error_handler_t::replace))};
}

Result<PolicyFields> fields_of(const Json& request) {
  const auto policy = request.find("policy");
  if (policy == request.end() || !policy->is_object()) {
    return Error{EINVAL, "\"policy\": must be an object"};
  }
  PolicyFields fields;
  const auto take = [&fields](const std::string& key, const Json& value) -> Result<void> {
    auto text = field_text(key, value);
    if (!text) return text.error();
    fields[key] = std::move(*text);
    return {};
  };
  for (const auto& [key, value] : policy->items()) {
    if (key != "template" || !value.is_object()) {
      if (const auto taken = take(key, value); !taken) return taken.error();
      continue;
    }
    for (const auto& [inner_key, inner] : value.items()) {
      if (const auto taken = take("template." + inner_key, inner); !taken) return taken.error();
    }
  }
  return fields;
}

Result<Policy> policy_of(PolicyReading reading) {
  if (reading.policy) return std::move(*reading.policy);
  std::string text;
  for (const PolicyFault& fault : reading.faults) {
    text += (text.empty() ? "" : "; ") + fault.message;
  }
  return Error{EINVAL, text};
}

Result<Policy> find_by_index(const SaManager& manager, const Json& index) {
  if (!index.is_number_unsigned() || index.get<std::uint64_t>() > 0xffffffff) {
    return Error{EINVAL, fmt::format("index {}: must be a whole number, as `culvert show policy "
                                     "--json` gives it",
                                     index.dump(-1, ' ', false, Json::error_handler_t::replace))};
  }
  const auto number = index.get<std::uint32_t>();
  for (const auto direction : {PolicyDirection::in, PolicyDirection::out, PolicyDirection::fwd}) {
    if (auto policy = manager.find_policy(direction, number)) return std::move(*policy);
  }
  return Error{ENOENT, fmt::format("index {}: no policy has it", number)};
}

Result<Policy> find_by_name(const SaManager& manager, const Json& request) {
  const auto fields = fields_of(request);
  if (!fields) return fields.error();
  auto wanted = policy_of(policy_name_of_fields(*fields, PolicyOrigin::command));
  if (!wanted) return wanted.error();
  for (const auto origin :
       {PolicyOrigin::command, PolicyOrigin::configuration, PolicyOrigin::xfrm}) {
    wanted->origin = origin;
    if (auto policy = manager.find_policy(id_of(*wanted))) return std::move(*policy);
  }
  return Error{ENOENT, policy_name_text(*wanted) + ": there is none"};
}

}  // namespace

Result<Json> add_policy(SaManager& manager, const Json& request) {
  const auto fields = fields_of(request);
  if (!fields) return fields.error();
  const auto policy = policy_of(policy_of_fields(*fields, PolicyOrigin::command));
  if (!policy) return policy.error();
  const auto added = manager.add_policy(*policy);
  if (!added) return added.error();
  return policy_entry(manager, *added);
}

Result<Json> delete_policy(SaManager& manager, const Json& request) {
  const auto index = request.find("index");
  const auto policy =
      index == request.end() ? find_by_name(manager, request) : find_by_index(manager, *index);
  if (!policy) return policy.error();
  switch (policy->origin) {
    case PolicyOrigin::command:
      break;
    case PolicyOrigin::configuration:
      return Error{EPERM, policy_name_text(*policy) +
                              ": comes from the configuration file and is to be deleted there"};
    case PolicyOrigin::xfrm:
      return Error{
          EPERM, policy_name_text(*policy) + ": came by XFRM; use `culvert ip xfrm policy delete`"};
  }
  Json entry = policy_entry(manager, *policy);
  const auto removed = manager.remove_policy(policy->direction, policy->index);
  if (!removed) return removed.error();
  return entry;
}

}  // namespace culvert
