// SPDX-License-Identifier: BSD-3-Clause
// XFRM netlink messages as a program may write them. Input: a datagram. What is taken is written
// again, and that must read as the same.
#include <linux/xfrm.h>

#include "control/xfrm/codec_policy.h"
#include "control/xfrm/codec_sa.h"
#include "tests/fuzz/fuzz.h"

using namespace culvert;
using culvert::fuzz::require;

namespace {

template <typename Write>
xfrm::SecretBytes written(std::uint16_t type, Write write) {
  xfrm::SecretBytes datagram;
  xfrm::MessageWriter writer(datagram);
  writer.begin(type, 0, 1, 2);
  write(writer);
  writer.end();
  return datagram;
}

xfrm::NetlinkMessage only_message(const xfrm::SecretBytes& datagram) {
  xfrm::MessageReader reader(datagram);
  const auto message = reader.next();
  require(message.has_value(), "what is written is a message");
  require(!reader.next().has_value(), "and one only");
  return *message;
}

void check_sa(const xfrm::NetlinkMessage& message) {
  const auto first = xfrm::parse_sa(message);
  if (!first) return;
  const xfrm::SaView view{.sa = first->sa,
                          .figures = {},
                          .is_outbound = false,
                          .replay_bitmap = {0xffffffff, 1},
                          .key = first->key.bytes()};
  const auto datagram =
      written(XFRM_MSG_NEWSA, [&](xfrm::MessageWriter& writer) { xfrm::write_sa(writer, view); });
  const auto second = xfrm::parse_sa(only_message(datagram));
  require(second.has_value(), "an SA that is written can be read");
  require(second->sa.id == first->sa.id, "with the same identity");
  require(second->sa.aead == first->sa.aead, "with the same algorithm");
  require(second->sa.encap == first->sa.encap, "with the same encapsulation");
  require(second->sa.lifetimes == first->sa.lifetimes, "with the same lifetimes");
  require(second->sa.selector == first->sa.selector, "with the same selector");
  require(constant_time_equal(second->key.bytes(), first->key.bytes()), "with the same key");
  written(XFRM_MSG_DELSA,
          [&](xfrm::MessageWriter& writer) { xfrm::write_sa_deletion(writer, view); });
  written(XFRM_MSG_NEWAE, [&](xfrm::MessageWriter& writer) { xfrm::write_ae(writer, view, ~0u); });
}

void check_policy(const xfrm::NetlinkMessage& message) {
  const auto first = xfrm::parse_policy(message);
  if (!first) return;
  const auto datagram = written(XFRM_MSG_NEWPOLICY, [&](xfrm::MessageWriter& writer) {
    xfrm::write_policy(writer, {*first, {}});
  });
  const auto second = xfrm::parse_policy(only_message(datagram));
  require(second.has_value(), "a policy that is written can be read");
  require(second->selector == first->selector, "with the same selector");
  require(second->templates == first->templates, "with the same templates");
  require(second->mark == first->mark && second->if_id == first->if_id, "with the same marks");
  require(second->priority == first->priority, "with the same priority");
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  xfrm::MessageReader reader(std::as_bytes(std::span(data, size)));
  while (const auto message = reader.next()) {
    check_sa(*message);
    check_policy(*message);
    (void)xfrm::parse_sa_id(*message);
    (void)xfrm::parse_get_ae(*message);
    (void)xfrm::parse_allocate_spi(*message);
    (void)xfrm::parse_sa_filter(*message);
    (void)xfrm::parse_policy_name(*message);
    (void)xfrm::parse_policy_type(*message);
    (void)xfrm::parse_migration(*message);
  }
  return 0;
}
