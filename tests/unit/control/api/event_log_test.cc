// SPDX-License-Identifier: BSD-3-Clause
#include "control/api/event_log.h"

#include <gtest/gtest.h>

namespace culvert {
namespace {

std::size_t kept(const EventLog& log) {
  return log.view(Json::object())->at("events").size();
}

TEST(EventLog, KeepsAuditableDropsUnlessToldNotTo) {
  const Event drop{.type = EventType::audit, .family = Family::v4, .spi = 0x1001};
  EventLog log;
  log.add(drop);
  EXPECT_EQ(kept(log), 1u);
  log.set_audits(false);
  log.add(drop);
  EXPECT_EQ(kept(log), 1u);
  log.add({.type = EventType::link_change, .value = 1});
  EXPECT_EQ(kept(log), 2u) << "other events are kept";
}

TEST(EventLog, NamesThePortOfALink) {
  EventLog log;
  log.set_ports({"lan", "wan"});
  log.add({.type = EventType::link_change, .port = 1, .value = 1});
  log.add({.type = EventType::link_change, .port = 7, .value = 1});
  const Json events = log.view(Json::object())->at("events");
  EXPECT_EQ(events.at(0).at("port"), "wan");
  EXPECT_EQ(events.at(1).at("port"), "7") << "the dataplane's numbers are not trusted";
}

}  // namespace
}  // namespace culvert
