// SPDX-License-Identifier: BSD-3-Clause
// The preload library, loaded into this very program, against a server that is played here.
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <gtest/gtest.h>
#include <linux/netlink.h>
#include <linux/xfrm.h>
#include <poll.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cstring>
#include <filesystem>
#include <string>

#include "control/xfrm/preload_protocol.h"

namespace culvert::preload {
namespace {

class Preload : public ::testing::Test {
 protected:
  Preload() {
    std::string pattern = std::filesystem::temp_directory_path() / "culvert-preload-XXXXXX";
    directory_ = mkdtemp(pattern.data());
    const std::string path = directory_ / "s";
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    std::strcpy(address.sun_path, path.c_str());
    listener_ = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
    EXPECT_EQ(bind(listener_, reinterpret_cast<const sockaddr*>(&address), sizeof(address)), 0);
    EXPECT_EQ(listen(listener_, 8), 0);
    setenv(kSocketVariable, path.c_str(), 1);
  }
  ~Preload() override {
    for (const int descriptor : {client_, server_, listener_}) {
      if (descriptor >= 0) close(descriptor);
    }
    std::filesystem::remove_all(directory_);
  }

  void open(int more = 0) {
    client_ = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC | more, NETLINK_XFRM);
    ASSERT_GE(client_, 0) << std::strerror(errno);
    server_ = accept(listener_, nullptr, nullptr);
    ASSERT_GE(server_, 0);
    EXPECT_EQ(control().kind, ControlKind::hello);
  }
  void bind_client(std::uint32_t groups = 0) {
    sockaddr_nl address{};
    address.nl_family = AF_NETLINK;
    address.nl_groups = groups;
    ASSERT_EQ(bind(client_, reinterpret_cast<const sockaddr*>(&address), sizeof(address)), 0);
  }
  ControlFrame control() {
    ControlFrame frame{.magic = 0};
    EXPECT_EQ(recv(server_, &frame, sizeof(frame), 0), ssize_t{sizeof(frame)});
    EXPECT_EQ(frame.magic, kControlMagic);
    EXPECT_EQ(frame.version, kVersion);
    return frame;
  }
  void deliver(std::uint32_t group, const std::string& datagram) {
    DeliveryHeader header;
    header.group = group;
    std::string packet(reinterpret_cast<const char*>(&header), sizeof(header));
    packet += datagram;
    ASSERT_EQ(send(server_, packet.data(), packet.size(), 0), static_cast<ssize_t>(packet.size()));
  }

  std::filesystem::path directory_;
  int listener_ = -1;
  int server_ = -1;
  int client_ = -1;
};

TEST_F(Preload, IsLoaded) {
  Dl_info info{};
  ASSERT_NE(dladdr(dlsym(RTLD_DEFAULT, "socket"), &info), 0);
  EXPECT_NE(std::string(info.dli_fname).find("culvert_xfrm"), std::string::npos);
}

TEST_F(Preload, LeavesOtherNetlinkSocketsAlone) {
  const int route = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE);
  ASSERT_GE(route, 0);
  int domain = 0;
  socklen_t bytes = sizeof(domain);
  EXPECT_EQ(getsockopt(route, SOL_SOCKET, SO_DOMAIN, &domain, &bytes), 0);
  EXPECT_EQ(domain, AF_NETLINK);
  sockaddr_nl address{};
  bytes = sizeof(address);
  EXPECT_EQ(getsockname(route, reinterpret_cast<sockaddr*>(&address), &bytes), 0);
  EXPECT_EQ(address.nl_family, AF_NETLINK);
  close(route);
}

TEST_F(Preload, BindTellsPortIdAndGroupsAndGetsocknameKnowsThem) {
  open();
  bind_client(XFRMGRP_EXPIRE | XFRMGRP_SA);
  const ControlFrame frame = control();
  EXPECT_EQ(frame.kind, ControlKind::bind);
  EXPECT_NE(frame.value, 0u);
  EXPECT_EQ(frame.groups, std::uint32_t{XFRMGRP_EXPIRE | XFRMGRP_SA});
  sockaddr_nl address{};
  socklen_t bytes = sizeof(address);
  ASSERT_EQ(getsockname(client_, reinterpret_cast<sockaddr*>(&address), &bytes), 0);
  EXPECT_EQ(bytes, sizeof(address));
  EXPECT_EQ(address.nl_family, AF_NETLINK);
  EXPECT_EQ(address.nl_pid, frame.value);
  EXPECT_EQ(address.nl_groups, frame.groups);
}

TEST_F(Preload, LooksLikeANetlinkSocket) {
  open();
  const auto option = [this](int which) {
    int value = -1;
    socklen_t bytes = sizeof(value);
    EXPECT_EQ(getsockopt(client_, SOL_SOCKET, which, &value, &bytes), 0);
    return value;
  };
  EXPECT_EQ(option(SO_DOMAIN), AF_NETLINK);
  EXPECT_EQ(option(SO_PROTOCOL), NETLINK_XFRM);
  EXPECT_EQ(option(SO_TYPE), SOCK_RAW);
}

TEST_F(Preload, OptionsAndMembershipsReachTheServer) {
  open();
  const int on = 1;
  ASSERT_EQ(setsockopt(client_, SOL_NETLINK, NETLINK_EXT_ACK, &on, sizeof(on)), 0);
  ControlFrame frame = control();
  EXPECT_EQ(frame.kind, ControlKind::set_option);
  EXPECT_EQ(frame.value, std::uint32_t{NETLINK_EXT_ACK});
  EXPECT_EQ(frame.groups, 1u);
  const int group = XFRMNLGRP_ACQUIRE;
  ASSERT_EQ(setsockopt(client_, SOL_NETLINK, NETLINK_ADD_MEMBERSHIP, &group, sizeof(group)), 0);
  EXPECT_EQ(control().kind, ControlKind::bind);  // bound by itself
  frame = control();
  EXPECT_EQ(frame.kind, ControlKind::add_group);
  EXPECT_EQ(frame.value, std::uint32_t{XFRMNLGRP_ACQUIRE});
}

TEST_F(Preload, EveryWayToSendIsOneDatagram) {
  open();
  bind_client();
  control();
  sockaddr_nl kernel{};
  kernel.nl_family = AF_NETLINK;
  std::string text = "datagram";
  iovec part{text.data(), text.size()};
  msghdr message{};
  message.msg_name = &kernel;
  message.msg_namelen = sizeof(kernel);
  message.msg_iov = &part;
  message.msg_iovlen = 1;
  EXPECT_EQ(write(client_, text.data(), text.size()), 8);
  EXPECT_EQ(send(client_, text.data(), text.size(), 0), 8);
  EXPECT_EQ(sendto(client_, text.data(), text.size(), 0, reinterpret_cast<sockaddr*>(&kernel),
                   sizeof(kernel)),
            8);
  EXPECT_EQ(sendmsg(client_, &message, 0), 8);
  for (int i = 0; i < 4; ++i) {
    std::array<char, 32> got{};
    ASSERT_EQ(recv(server_, got.data(), got.size(), 0), 8) << i;
    EXPECT_STREQ(got.data(), "datagram");
  }
}

TEST_F(Preload, PeekWithTruncTellsTheTrueLengthAndKeepsTheDatagram) {
  open();
  bind_client();
  control();
  deliver(0, std::string(1000, 'x'));
  sockaddr_nl from{};
  iovec part{nullptr, 0};
  msghdr message{};
  message.msg_name = &from;
  message.msg_namelen = sizeof(from);
  message.msg_iov = &part;
  message.msg_iovlen = 1;
  EXPECT_EQ(recvmsg(client_, &message, MSG_PEEK | MSG_TRUNC), 1000);
  EXPECT_NE(message.msg_flags & MSG_TRUNC, 0);
  std::array<char, 2000> room{};
  part = {room.data(), room.size()};
  EXPECT_EQ(recvmsg(client_, &message, 0), 1000);
  EXPECT_EQ(message.msg_flags & MSG_TRUNC, 0);
  EXPECT_EQ(message.msg_namelen, sizeof(from));
  EXPECT_EQ(from.nl_family, AF_NETLINK);
  EXPECT_EQ(from.nl_pid, 0u);
  EXPECT_EQ(from.nl_groups, 0u);
}

TEST_F(Preload, ANotificationShowsItsGroup) {
  open();
  bind_client();
  control();
  deliver(XFRMNLGRP_EXPIRE, "news");
  sockaddr_nl from{};
  socklen_t bytes = sizeof(from);
  std::array<char, 2> room{};
  EXPECT_EQ(
      recvfrom(client_, room.data(), room.size(), 0, reinterpret_cast<sockaddr*>(&from), &bytes),
      2);  // cut, without MSG_TRUNC
  EXPECT_EQ(from.nl_groups, std::uint32_t{XFRMGRP_EXPIRE});
  deliver(0, "more");
  std::array<char, 8> all{};
  EXPECT_EQ(read(client_, all.data(), all.size()), 4);
  EXPECT_STREQ(all.data(), "more");
}

TEST_F(Preload, PollAndNonBlockingReadsWork) {
  open(SOCK_NONBLOCK);
  bind_client();
  control();
  std::array<char, 8> room{};
  EXPECT_EQ(recv(client_, room.data(), room.size(), 0), -1);
  EXPECT_EQ(errno, EAGAIN);
  pollfd wanted{.fd = client_, .events = POLLIN, .revents = 0};
  EXPECT_EQ(poll(&wanted, 1, 0), 0);
  deliver(0, "now");
  EXPECT_EQ(poll(&wanted, 1, 1000), 1);
  EXPECT_EQ(recv(client_, room.data(), room.size(), 0), 3);
}

TEST_F(Preload, ACopyOfTheDescriptorIsANetlinkSocketToo) {
  open();
  bind_client();
  const std::uint32_t port_id = control().value;
  for (const int copy : {dup(client_), fcntl(client_, F_DUPFD_CLOEXEC, 0), dup2(client_, 200)}) {
    sockaddr_nl address{};
    socklen_t bytes = sizeof(address);
    ASSERT_EQ(getsockname(copy, reinterpret_cast<sockaddr*>(&address), &bytes), 0);
    EXPECT_EQ(address.nl_pid, port_id);
    close(copy);
  }
}

TEST_F(Preload, ADescriptorClosedBehindItsBackIsForgotten) {
  open();
  ASSERT_EQ(close_range(static_cast<unsigned>(client_), static_cast<unsigned>(client_), 0), 0);
  std::array<int, 2> pipe_ends{};
  ASSERT_EQ(pipe(pipe_ends.data()), 0);
  ASSERT_EQ(pipe_ends[0], client_);  // the lowest free number
  EXPECT_EQ(write(pipe_ends[1], "abc", 3), 3);
  std::array<char, 8> room{};
  EXPECT_EQ(read(pipe_ends[0], room.data(), room.size()), 3);
  close(pipe_ends[1]);
}

TEST_F(Preload, ASocketWorksInAForkedChild) {
  open();
  bind_client();
  control();
  const pid_t child = fork();
  if (child == 0) _exit(send(client_, "child", 5, 0) == 5 ? 0 : 1);
  int status = -1;
  ASSERT_EQ(waitpid(child, &status, 0), child);
  EXPECT_EQ(status, 0);
  std::array<char, 8> room{};
  EXPECT_EQ(recv(server_, room.data(), room.size(), 0), 5);
}

TEST_F(Preload, AServerThatWentAwayIsAnErrorAndNoSignal) {
  open();
  bind_client();
  close(server_);
  server_ = -1;
  EXPECT_EQ(send(client_, "x", 1, 0), -1);
  EXPECT_EQ(errno, ECONNREFUSED);
  std::array<char, 8> room{};
  EXPECT_EQ(recv(client_, room.data(), room.size(), 0), -1);
}

TEST_F(Preload, WithoutAServerThereIsNoSocket) {
  setenv(kSocketVariable, "/nonexistent/socket", 1);
  EXPECT_EQ(socket(AF_NETLINK, SOCK_RAW, NETLINK_XFRM), -1);
  EXPECT_EQ(errno, ENOENT);
}

TEST_F(Preload, AnInheritedChannelGetsOneEndOfEachNewSocket) {
  std::array<int, 2> channel{};
  ASSERT_EQ(socketpair(AF_UNIX, SOCK_SEQPACKET, 0, channel.data()), 0);
  setenv(kChannelVariable, std::to_string(channel[1]).c_str(), 1);
  client_ = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_XFRM);
  unsetenv(kChannelVariable);
  ASSERT_GE(client_, 0);
  ControlFrame frame{.magic = 0};
  iovec part{&frame, sizeof(frame)};
  alignas(cmsghdr) std::array<char, CMSG_SPACE(sizeof(int))> ancillary{};
  msghdr message{};
  message.msg_iov = &part;
  message.msg_iovlen = 1;
  message.msg_control = ancillary.data();
  message.msg_controllen = ancillary.size();
  ASSERT_EQ(recvmsg(channel[0], &message, 0), ssize_t{sizeof(frame)});
  EXPECT_EQ(frame.kind, ControlKind::hello);
  ASSERT_NE(CMSG_FIRSTHDR(&message), nullptr);
  std::memcpy(&server_, CMSG_DATA(CMSG_FIRSTHDR(&message)), sizeof(int));
  bind_client();
  EXPECT_EQ(control().kind, ControlKind::bind);
  close(channel[0]);
  close(channel[1]);
}

}  // namespace
}  // namespace culvert::preload
