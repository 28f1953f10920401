// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <cstdint>
#include <type_traits>

// What the preload library and the XFRM server say to each other over a unix SEQPACKET connection.
// One connection stands for one netlink socket.
//
// To the server: every packet is one netlink datagram as the program wrote it, except those that
// begin with kControlMagic, a number no netlink message has for its length; these are ControlFrame.
// To the program: every packet is a DeliveryHeader and one netlink datagram.
//
// In place of a listening socket's path there may be an inherited channel (kChannelVariable): for
// each new netlink socket the library makes a socket pair and sends one end over the channel, as a
// ControlFrame of kind `hello` with the descriptor (SCM_RIGHTS).

namespace culvert::preload {

inline constexpr char kSocketVariable[] = "CULVERT_XFRM_SOCKET";
inline constexpr char kChannelVariable[] = "CULVERT_XFRM_FD";

// Raised with every change below; the server closes connections of another version.
inline constexpr std::uint16_t kVersion = 1;
inline constexpr std::uint32_t kControlMagic = 0xff1e7c01;

enum class ControlKind : std::uint16_t {
  hello = 1,       // first of all: value is unused
  bind = 2,        // value: the port id; groups: multicast groups as in sockaddr_nl
  add_group = 3,   // value: a group's number (XFRMNLGRP_*)
  drop_group = 4,  // value: a group's number
  set_option = 5,  // value: the option (NETLINK_EXT_ACK, ...); groups: 0 or 1
};

struct ControlFrame {
  std::uint32_t magic = kControlMagic;
  std::uint16_t version = kVersion;
  ControlKind kind = ControlKind::hello;
  std::uint32_t value = 0;
  std::uint32_t groups = 0;
};
static_assert(sizeof(ControlFrame) == 16 && std::is_trivially_copyable_v<ControlFrame>);

struct DeliveryHeader {
  std::uint32_t magic = kControlMagic;
  std::uint32_t group = 0;  // XFRMNLGRP_* of a notification, 0 for an answer
};
static_assert(sizeof(DeliveryHeader) == 8 && std::is_trivially_copyable_v<DeliveryHeader>);

}  // namespace culvert::preload
