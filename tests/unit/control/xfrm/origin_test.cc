// SPDX-License-Identifier: BSD-3-Clause
// Whose keys are fresh ones: those of programs that listen for key events, as IKE daemons do.
#include <gtest/gtest.h>
#include <linux/xfrm.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <chrono>
#include <span>
#include <string>

#include "control/xfrm/codec_sa.h"
#include "control/xfrm/preload_protocol.h"
#include "control/xfrm/request_handler.h"
#include "tests/unit/control/xfrm/xfrm_fixture.h"

namespace culvert::test {
namespace {

constexpr char kAdd[] =
    "xfrm state add src 192.0.2.1 dst 192.0.2.2 proto esp spi 0x1001 reqid 1 mode tunnel aead "
    "'rfc4106(gcm(aes))' 0x0102030405060708091011121314151617181920 128";

// One netlink socket of this process, as the preload library makes it.
class Socket {
 public:
  Socket(const std::string& path, std::uint32_t groups)
      : descriptor_(socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0)) {
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    path.copy(address.sun_path, sizeof address.sun_path - 1);
    EXPECT_EQ(connect(descriptor_, reinterpret_cast<sockaddr*>(&address), sizeof address), 0);
    tell({.kind = preload::ControlKind::hello});
    tell({.kind = preload::ControlKind::bind, .value = 7, .groups = groups});
  }
  ~Socket() { close(descriptor_); }
  Socket(const Socket&) = delete;
  Socket& operator=(const Socket&) = delete;

  void send(std::span<const std::byte> datagram) {
    EXPECT_EQ(::send(descriptor_, datagram.data(), datagram.size(), 0),
              static_cast<ssize_t>(datagram.size()));
  }

 private:
  void tell(preload::ControlFrame frame) { send(std::as_bytes(std::span(&frame, 1))); }

  int descriptor_;
};

class XfrmOrigin : public XfrmFixture {
 protected:
  // Takes the only SA away, and adds it again as this process.
  SaOrigin origin_when_added_here() {
    const Sa sa = *manager().next_sa(SaIndex{0});
    xfrm::SecretBytes request;
    xfrm::MessageWriter writer(request);
    writer.begin(XFRM_MSG_NEWSA, NLM_F_REQUEST, 1, 0);
    xfrm::write_sa(writer, xfrm::view_of(manager(), sa));
    writer.end();
    EXPECT_TRUE(manager().remove(sa.id));
    Socket here(socket_path(), 0);
    here.send(request);
    pump(std::chrono::milliseconds(100));
    const auto added = manager().find(sa.id);
    EXPECT_TRUE(added);
    return added ? added->origin : SaOrigin::manual;
  }
};

TEST_F(XfrmOrigin, KeysOfAProgramThatOnlyAddsThemWereTyped) {
  ASSERT_EQ(ip(kAdd).output, "");
  EXPECT_EQ(manager().next_sa(SaIndex{0})->origin, SaOrigin::by_hand);
  EXPECT_EQ(origin_when_added_here(), SaOrigin::by_hand);
}

TEST_F(XfrmOrigin, KeysOfAProgramThatListensForAcquiresOnAnotherSocketAreItsOwn) {
  ASSERT_EQ(ip(kAdd).output, "");
  const Socket listening(socket_path(), 1u << (XFRMNLGRP_ACQUIRE - 1));
  EXPECT_EQ(origin_when_added_here(), SaOrigin::automatic);
}

TEST_F(XfrmOrigin, ListeningForOtherNewsMakesNoKeyManager) {
  ASSERT_EQ(ip(kAdd).output, "");
  const Socket listening(socket_path(), 1u << (XFRMNLGRP_SA - 1));
  EXPECT_EQ(origin_when_added_here(), SaOrigin::by_hand);
}

}  // namespace
}  // namespace culvert::test
