// SPDX-License-Identifier: BSD-3-Clause
#include "control/api/policy_commands.h"

#include <gmock/gmock.h>

#include <cerrno>
#include <string>
#include <vector>

#include "control/policy_text.h"
#include "tests/unit/control/sa_manager_fixture.h"

namespace culvert {
namespace {

using testing::HasSubstr;

class PolicyCommands : public SaManagerTest {
 protected:
  [[nodiscard]] Result<Json> add(const Json& policy) {
    return add_policy(*manager_, {{"policy", policy}});
  }
  [[nodiscard]] Result<Json> remove(const Json& parameters) {
    return delete_policy(*manager_, parameters);
  }
  static Json discard() {
    return {{"direction", "out"},  {"action", "discard"},      {"priority", 5},
            {"protocol", "udp"},   {"dst_ports", "1000-2000"}, {"src", "10.1.0.5-10.1.0.90"},
            {"dst", "10.2.0.0/16"}};
  }
};

TEST_F(PolicyCommands, AddAndDeletePoliciesWithRanges) {
  const auto added = add(discard());
  ASSERT_TRUE(added) << added.error().message;
  EXPECT_EQ((*added)["selector"]["src"], "10.1.0.5-10.1.0.90");
  EXPECT_EQ((*added)["selector"]["dst_port"], "1000-2000");
  EXPECT_EQ((*added)["origin"], "command");
  EXPECT_EQ((*added)["priority"], 5);
  EXPECT_EQ(dataplane_.policies().size(), 1u);
  Json name = discard();
  name.erase("action");
  name.erase("priority");
  const auto deleted = remove({{"policy", name}});
  ASSERT_TRUE(deleted) << deleted.error().message;
  EXPECT_EQ((*deleted)["action"], "discard");
  EXPECT_TRUE(dataplane_.policies().empty());
}

TEST_F(PolicyCommands, TakeTheTemplateAsAnObject) {
  const auto added = add({{"direction", "out"},
                          {"action", "protect"},
                          {"spread", true},
                          {"template", {{"dst", "192.0.2.2"}, {"reqid", 7}}}});
  ASSERT_TRUE(added) << added.error().message;
  EXPECT_EQ((*added)["templates"][0]["reqid"], 7);
  EXPECT_EQ((*added)["spread"], true);
}

TEST_F(PolicyCommands, DeleteByIndex) {
  const auto added = add(discard());
  ASSERT_TRUE(added);
  EXPECT_TRUE(remove({{"index", (*added)["index"]}}));
  const auto again = remove({{"index", (*added)["index"]}});
  ASSERT_FALSE(again);
  EXPECT_EQ(again.error().code, ENOENT);
}

TEST_F(PolicyCommands, LeavePoliciesThatOthersMade) {
  ASSERT_TRUE(manager_->add_policy(out_policy(1)));
  const auto of_xfrm =
      remove({{"policy", {{"direction", "out"}, {"src", "10.1.0.0/16"}, {"dst", "10.2.0.0/16"}}}});
  ASSERT_FALSE(of_xfrm);
  EXPECT_EQ(of_xfrm.error().code, EPERM);
  EXPECT_THAT(of_xfrm.error().message, HasSubstr("culvert ip xfrm policy delete"));
  const PolicyFields fields = {{"direction", "in"}, {"action", "bypass"}};
  const auto configured = policy_of_fields(fields, PolicyOrigin::configuration);
  ASSERT_TRUE(manager_->set_configured_policies(std::vector{*configured.policy}));
  const auto of_file = remove({{"policy", {{"direction", "in"}}}});
  ASSERT_FALSE(of_file);
  EXPECT_THAT(of_file.error().message, HasSubstr("configuration file"));
}

TEST_F(PolicyCommands, SayWhatIsWrong) {
  const std::pair<Json, const char*> cases[] = {
      {Json::object(), "\"policy\": must be an object"},
      {{{"policy", {{"direction", "out"}, {"action", "discard"}, {"src", Json::array()}}}},
       "src []: must be a string"},
      {{{"policy", {{"direction", "out"}, {"action", "discard"}, {"src", "10.0.0.2-10.0.0.1"}}}},
       "ends before it begins"},
      {{{"policy", Json::object()}}, "is missing"},
  };
  for (const auto& [request, message] : cases) {
    const auto added = add_policy(*manager_, request);
    ASSERT_FALSE(added);
    EXPECT_EQ(added.error().code, EINVAL);
    EXPECT_THAT(added.error().message, HasSubstr(message));
  }
  const auto by_word = remove({{"index", "nine"}});
  ASSERT_FALSE(by_word);
  EXPECT_THAT(by_word.error().message, HasSubstr("index \"nine\": must be a whole number"));
  ASSERT_TRUE(add(discard()));
  const auto twice = add(discard());
  ASSERT_FALSE(twice);
  EXPECT_EQ(twice.error().code, EEXIST);
}

}  // namespace
}  // namespace culvert
