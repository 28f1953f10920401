// SPDX-License-Identifier: BSD-3-Clause
#include "control/api/counter_views.h"

#include <gtest/gtest.h>

#include <memory>

namespace culvert {
namespace {

Config config_with_ports(std::initializer_list<const char*> names) {
  Config config;
  config.cores = {1, 2};
  for (const char* name : names) {
    config.ports.push_back({});
    config.ports.back().name = name;
  }
  return config;
}

DataplaneView two_workers() {
  DataplaneView view;
  view.worker_count = 2;
  return view;
}

TEST(DropsView, AddsUpWorkersAndHousekeeper) {
  const auto state = std::make_unique<StateHead>();
  const std::size_t icv = index_of(DropReason::esp_in_icv);
  state->workers[0].drops[icv].add(2);
  state->workers[1].drops[icv].add(3);
  state->workers[kMaxWorkers].drops[icv].add(5);
  const Json view = drops_view(two_workers(), *state);
  ASSERT_EQ(view["drops"].size(), kDropReasons);
  EXPECT_EQ(view["drops"][icv]["name"], "esp_in_icv");
  EXPECT_EQ(view["drops"][icv]["packets"], 10);
  EXPECT_EQ(view["drops"][icv]["per_worker"], Json({2, 3, 5}));
}

TEST(PortsView, AddsUpThePortsOfAllWorkers) {
  const auto state = std::make_unique<StateHead>();
  state->ports[0][1].rx_packets.add(4);
  state->ports[kMaxWorkers][1].rx_packets.add(1);
  const Json view = ports_view(config_with_ports({"wan", "lan"}), two_workers(), *state);
  EXPECT_EQ(view["ports"][0]["rx_packets"], 0);
  EXPECT_EQ(view["ports"][1]["name"], "lan");
  EXPECT_EQ(view["ports"][1]["rx_packets"], 5);
}

TEST(PortsView, BoundsTextsThatLackTheirEnd) {
  const auto state = std::make_unique<StateHead>();
  DataplaneView dataplane = two_workers();
  dataplane.ports[0].driver.fill('\x1b');
  const Json view = ports_view(config_with_ports({"wan"}), dataplane, *state);
  EXPECT_EQ(view["ports"][0]["driver"], std::string(32, '?'));
}

TEST(BalanceView, HasEveryTerm) {
  const auto state = std::make_unique<StateHead>();
  state->workers[0].received.add(10);
  state->workers[1].from_linux.add(2);
  state->workers[0].sent.add(6);
  state->workers[0].held_in.add(3);
  state->workers[kMaxWorkers].held_out.add(1);
  state->workers[kMaxWorkers].drops[0].add(4);
  const Json view = balance_view(*state);
  EXPECT_EQ(view["received"], 10);
  EXPECT_EQ(view["from_linux"], 2);
  EXPECT_EQ(view["sent"], 6);
  EXPECT_EQ(view["drops"], 4);
  EXPECT_EQ(view["held"], 2);
  EXPECT_EQ(view["stable"], true);
}

TEST(WorkersView, ShowsEachWorkerWithItsCoreAndTheHousekeeperLast) {
  const auto state = std::make_unique<StateHead>();
  const Json view = workers_view(config_with_ports({"wan"}), two_workers(), *state);
  ASSERT_EQ(view["workers"].size(), 3u);
  EXPECT_EQ(view["workers"][1]["core"], 2);
  EXPECT_EQ(view["workers"][2]["worker"], "housekeeper");
}

}  // namespace
}  // namespace culvert
