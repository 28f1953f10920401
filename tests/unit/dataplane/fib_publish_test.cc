// SPDX-License-Identifier: BSD-3-Clause
// What publish() does to the table that workers may still hold, which lookup_burst() cannot show.
#include <gtest/gtest.h>
#include <rte_fib.h>

#include <cstdint>
#include <string>

#include "dataplane/fib.h"
#include "tests/unit/dataplane/reader_threads.h"

namespace culvert {
namespace {

// What a worker that began its look-up before the switch reads: one of the two tables, by itself.
bool has_route(const std::string& table, Ipv4Address destination) {
  const std::uint32_t address = destination.raw();
  std::uint64_t next_hop = 0;
  rte_fib* const fib = rte_fib_find_existing(table.c_str());
  EXPECT_NE(fib, nullptr);
  EXPECT_EQ(rte_fib_lookup_bulk(fib, const_cast<std::uint32_t*>(&address), &next_hop, 1), 0);
  return next_hop != kNoRoute.raw();
}

TEST(Fib, LeavesTheFormerTableAsItIsUntilWorkersAreQuiescent) {
  Observer observer;
  const auto fib = Fib::create(
      "former", {.max_routes = 64, .max_long_networks = 16, .max_adjacencies = 512}, observer);
  ASSERT_NE(fib, nullptr);
  const auto count = [](Ipv4Address destination) {
    return has_route("former_left", destination) + has_route("former_right", destination);
  };
  int looks = 0;
  for (const std::uint32_t net : {1u, 2u, 3u}) {  // each table is the former one once at least
    const Ipv4Address destination = Ipv4Address{10u << 24 | net << 16 | 1};
    ASSERT_EQ(fib->route_add({Ipv4Address{10u << 24 | net << 16}, 16}, Ipv4Address{}, PortId{1}),
              Refusal::none);
    observer.look = [&] {
      ++looks;
      EXPECT_EQ(count(destination), 1) << "in the new table only";
    };
    fib->publish();
    EXPECT_EQ(count(destination), 2);
  }
  const Ipv4Address removed = Ipv4Address{10u << 24 | 1u << 16 | 1};
  ASSERT_EQ(fib->route_delete({Ipv4Address{10u << 24 | 1u << 16}, 16}), Refusal::none);
  observer.look = [&] {
    ++looks;
    EXPECT_EQ(count(removed), 1) << "in the former table still";
  };
  fib->publish();
  EXPECT_EQ(count(removed), 0);
  EXPECT_EQ(looks, 4);
}

}  // namespace
}  // namespace culvert
