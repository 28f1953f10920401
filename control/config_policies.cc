// SPDX-License-Identifier: BSD-3-Clause
#include "control/config_policies.h"

#include <fmt/format.h>

#include <map>
#include <string>
#include <unordered_set>
#include <utility>

#include "control/policy_text.h"

namespace culvert {
namespace {

constexpr std::string_view kTemplate = "template";

// Where a field stands, for messages.
struct FieldNodes {
  const toml::table& section;
  std::map<std::string, const toml::node*, std::less<>> nodes;

  [[nodiscard]] const toml::node& of(const std::string& key) const {
    const auto found = nodes.find(key);
    return found == nodes.end() ? section : *found->second;
  }
};

// Numbers and words are texts here; policy_of_fields() says what is wrong with them.
void add_field(std::string key, const toml::node& node, ConfigErrors& errors, PolicyFields& fields,
               FieldNodes& nodes) {
  std::string value;
  if (const auto word = node.value_exact<std::string>()) {
    value = *word;
  } else if (node.is_integer() || node.is_boolean()) {
    value = shown(node);
  } else {
    return errors.add(node, fmt::format("{} {}: must be a string in quotes, a whole number, true "
                                        "or false",
                                        key, shown(node)));
  }
  nodes.nodes[key] = &node;
  fields[std::move(key)] = std::move(value);
}

void read_entry(const toml::table& section, ConfigErrors& errors, Config& config,
                std::unordered_set<std::string>& names) {
  PolicyFields fields;
  FieldNodes nodes{section, {}};
  for (const auto& [key, node] : section) {
    const std::string name(key.str());
    const toml::table* const table = name == kTemplate ? node.as_table() : nullptr;
    if (table == nullptr) {
      add_field(name, node, errors, fields, nodes);
      continue;
    }
    nodes.nodes[name] = &node;
    for (const auto& [inner_key, inner] : *table) {
      add_field(fmt::format("{}.{}", kTemplate, inner_key.str()), inner, errors, fields, nodes);
    }
  }
  PolicyReading reading = policy_of_fields(fields, PolicyOrigin::configuration);
  for (const PolicyFault& fault : reading.faults) {
    errors.add(nodes.of(fault.key), fmt::format("[[policy.entry]]: {}", fault.message));
  }
  if (!reading.policy) return;
  if (const std::string name = policy_name_text(*reading.policy); !names.insert(name).second) {
    errors.add(section, fmt::format("[[policy.entry]]: {}: given twice", name));
    return;
  }
  config.policies.push_back(std::move(*reading.policy));
}

}  // namespace

void read_policies(ConfigTable& file, ConfigErrors& errors, Config& config) {
  const toml::table* section = file.section("policy");
  if (section == nullptr) return;
  ConfigTable table(*section, "[policy]", errors);
  if (const auto word = table.word("default", {"discard", "bypass"})) {
    config.default_policy = *word == "bypass" ? PolicyAction::bypass : PolicyAction::discard;
  }
  std::unordered_set<std::string> names;
  for (const toml::table* entry : table.sections("entry")) {
    read_entry(*entry, errors, config, names);
  }
  table.finish();
  if (config.policies.size() > config.max_policies) {
    errors.add(*section, fmt::format("[[policy.entry]]: {} policies: raise [dataplane] "
                                     "max_policies, which is {}",
                                     config.policies.size(), config.max_policies));
  }
}

}  // namespace culvert
