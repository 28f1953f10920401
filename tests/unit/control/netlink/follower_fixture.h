// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <poll.h>

#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "control/netlink/follower.h"
#include "tests/unit/control/netlink/network_fixture.h"
#include "tests/unit/control/netlink/request_text.h"

namespace culvert {

inline AddressPrefix prefix(std::string_view text) {
  const auto parsed = parse_prefix(text);
  return {.family = parsed->family, .prefix_bits = parsed->prefix_bits, .address = parsed->address};
}
inline IpAddress ip(std::string_view text) {
  return parse_address(text)->address;
}

inline Config two_ports() {
  Config config;
  config.ports = {{.name = "wan", .addresses = {prefix("192.0.2.1/24")}},
                  {.name = "lan", .addresses = {prefix("10.1.0.1/16")}, .mtu = 1400}};
  return config;
}

// A follower whose requests come as lines of text.
class Follower : public NetworkTest {
 protected:
  // Mirrors as culvertd creates them.
  static void make_mirrors() { run("ip tuntap add wan mode tap; ip tuntap add lan mode tap"); }

  void start(Config config) {
    follower_ =
        std::make_unique<NetlinkFollower>(std::move(config), [this](const Request& request) {
          pushed_.push_back(text_of(request));
          if (on_push_) on_push_();
        });
    const auto started = follower_->start();
    ASSERT_TRUE(started) << started.error().message;
  }

  // What was pushed since the last call, once Linux has been silent for a while.
  std::vector<std::string> news() {
    pollfd waiting{.fd = follower_->descriptor(), .events = POLLIN, .revents = 0};
    while (::poll(&waiting, 1, 20) > 0) follower_->on_readable();
    return std::exchange(pushed_, {});
  }

  static Event neighbor_event(EventType type, std::string_view address) {
    const auto parsed = parse_address(address);
    return Event{.type = type, .family = parsed->family, .port = 0, .address = parsed->address};
  }

  std::unique_ptr<NetlinkFollower> follower_;
  std::vector<std::string> pushed_;
  std::function<void()> on_push_;
};

}  // namespace culvert
