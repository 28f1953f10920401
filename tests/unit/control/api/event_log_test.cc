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

}  // namespace
}  // namespace culvert
