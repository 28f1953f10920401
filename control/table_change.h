// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <string>
#include <vector>

#include "control/api/protocol.h"
#include "control/policy.h"
#include "control/result.h"
#include "control/sa.h"
#include "control/sa_manager.h"

namespace culvert {

// One SA, one policy, as a line that tells it from others.
// They are given as in the API's views.
[[nodiscard]] std::string sa_line(const Json& sa);
[[nodiscard]] std::string policy_line(const Json& policy);

// What becomes of a gateway's SAs and policies when a configuration that brings `wanted` takes the
// place of the one that runs. What key exchange or people at the keyboard made stays as it is.
class TableChange {
 public:
  // Both managers must outlive this. EEXIST: something wanted is there in another form, and did not
  // come from a configuration.
  [[nodiscard]] static Result<TableChange> between(const SaManager& running,
                                                   const SaManager& wanted);

  // "- " for what goes, "+ " for what comes, "~ " for what stays with other properties.
  [[nodiscard]] const std::vector<std::string>& lines() const { return lines_; }

  // The two halves of the change, in an open transaction of the running manager: roll it back on an
  // error. Between them both the old policies and the new ones apply, so that routes can change
  // meanwhile; each packet meets the policy of before or that of after.
  // Whatever the dataplane may refuse, it refuses in the first.
  [[nodiscard]] Result<void> bring_new(SaManager& running) const;
  [[nodiscard]] Result<void> remove_old(SaManager& running) const;

 private:
  explicit TableChange(const SaManager& wanted) : wanted_(&wanted) {}

  [[nodiscard]] Result<void> compare_sas(const SaManager& running);
  [[nodiscard]] Result<void> compare_policies(const SaManager& running);
  void note(const char* sign, const SaManager& manager, const Policy& policy);
  [[nodiscard]] Result<void> add(SaManager& running, const Sa& sa) const;
  [[nodiscard]] Result<void> replace_sas(SaManager& running, const std::vector<Sa>& late) const;

  const SaManager* wanted_;
  std::vector<std::string> lines_;
  std::vector<Sa> added_sas_;
  std::vector<Sa> updated_sas_;   // in what a live SA can change
  std::vector<Sa> replaced_sas_;  // in more than that: they go, and come anew
  std::vector<Sa> removed_sas_;
  std::vector<Policy> added_policies_;     // and those that take an old one's place and are not
  std::vector<Policy> weakened_policies_;  // weaker; these are
  std::vector<Policy> removed_policies_;
};

}  // namespace culvert
