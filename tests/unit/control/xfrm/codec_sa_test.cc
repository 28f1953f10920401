// SPDX-License-Identifier: BSD-3-Clause
#include "control/xfrm/codec_sa.h"

#include <errno.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include <bit>
#include <cstring>
#include <functional>
#include <vector>

namespace culvert::xfrm {
namespace {

constexpr std::size_t kKeyBytes = 20;

xfrm_usersa_info tunnel_info() {
  xfrm_usersa_info info{};
  info.family = AF_INET;
  info.id.proto = IPPROTO_ESP;
  info.id.spi = std::bit_cast<std::uint32_t>(Be32{0x1001});
  info.id.daddr.a4 = std::bit_cast<std::uint32_t>(Be32{0xc0000202});
  info.saddr.a4 = std::bit_cast<std::uint32_t>(Be32{0xc0000201});
  info.mode = XFRM_MODE_TUNNEL;
  info.reqid = 7;
  return info;
}

void write_aead(MessageWriter& writer, std::uint32_t key_bits = kKeyBytes * 8) {
  xfrm_algo_aead head{};
  std::strcpy(head.alg_name, "rfc4106(gcm(aes))");
  head.alg_key_len = key_bits;
  head.alg_icv_len = 128;
  const std::vector<std::byte> key(kKeyBytes, std::byte{0x5a});
  writer.attribute_with_tail(XFRMA_ALG_AEAD, head, key);
}

struct Message {
  SecretBytes datagram;
  [[nodiscard]] NetlinkMessage read() const { return *MessageReader(datagram).next(); }
};

Message message(const xfrm_usersa_info& info, const std::function<void(MessageWriter&)>& more) {
  Message result;
  MessageWriter writer(result.datagram);
  writer.begin(XFRM_MSG_NEWSA, NLM_F_REQUEST, 1, 0);
  writer.fixed(info);
  more(writer);
  writer.end();
  return result;
}

Message plain(const xfrm_usersa_info& info) {
  return message(info, [](MessageWriter& writer) { write_aead(writer); });
}

void expect_error(const Message& message, int code, const char* text) {
  const auto parsed = parse_sa(message.read());
  ASSERT_FALSE(parsed);
  EXPECT_EQ(parsed.error().code, code);
  EXPECT_EQ(parsed.error().message, text);
}

TEST(SaCodec, TakesTheKeyAndTheSaltApartFromTheSa) {
  const Message request = plain(tunnel_info());
  const auto parsed = parse_sa(request.read());
  ASSERT_TRUE(parsed) << parsed.error().message;
  EXPECT_EQ(parsed->sa.id.spi, Spi{0x1001});
  EXPECT_EQ(parsed->sa.id.dst, IpAddress::v4(Be32{0xc0000202}));
  EXPECT_EQ(parsed->sa.reqid, 7u);
  ASSERT_TRUE(parsed->sa.aead);
  EXPECT_EQ(parsed->sa.aead->name, "rfc4106(gcm(aes))");
  EXPECT_EQ(parsed->sa.aead->key_bits, kKeyBytes * 8);
  EXPECT_EQ(parsed->sa.aead->icv_bits, 128u);
  ASSERT_EQ(parsed->key.size_bytes(), kKeyBytes);
  EXPECT_EQ(parsed->key.bytes()[19], std::byte{0x5a});
}

TEST(SaCodec, ASelectorWithoutFamilyTakesTheSasUnlessTheFlagSaysBoth) {
  EXPECT_EQ(parse_sa(plain(tunnel_info()).read())->sa.selector.family, Family::v4);
  xfrm_usersa_info info = tunnel_info();
  info.flags = XFRM_STATE_AF_UNSPEC;
  EXPECT_EQ(parse_sa(plain(info).read())->sa.selector.family, Family::none);
}

TEST(SaCodec, RefusesAKeyLongerThanItsAttribute) {
  expect_error(message(tunnel_info(), [](MessageWriter& writer) { write_aead(writer, 161); }),
               EINVAL, "Invalid AEAD attribute length");
  expect_error(message(tunnel_info(), [](MessageWriter& writer) { write_aead(writer, ~0u); }),
               EINVAL, "Invalid AEAD attribute length");
}

TEST(SaCodec, RefusesWhatTheKernelRefusesInItsWords) {
  xfrm_usersa_info info = tunnel_info();
  info.family = 99;
  expect_error(plain(info), EINVAL, "Invalid address family");
  info = tunnel_info();
  info.sel.family = 99;
  expect_error(plain(info), EINVAL, "Invalid address family in selector");
  info = tunnel_info();
  info.sel.prefixlen_s = 33;
  expect_error(plain(info), EINVAL, "Invalid prefix length in selector (must be <= 32 for IPv4)");
  info = tunnel_info();
  info.flags = XFRM_STATE_ESN;
  expect_error(plain(info), EINVAL, "Missing required attribute for ESN");
  info = tunnel_info();
  info.id.proto = 17;
  expect_error(plain(info), EINVAL, "Unsupported protocol");
  expect_error(message(tunnel_info(), [](MessageWriter&) {}), EINVAL,
               "Missing required attribute for ESP: at least one of AUTH, AUTH_TRUNC, CRYPT, AEAD");
}

TEST(SaCodec, RefusesAnAttributeThatIsTooShort) {
  expect_error(message(tunnel_info(),
                       [](MessageWriter& writer) {
                         write_aead(writer);
                         writer.struct_attribute(XFRMA_MARK, std::uint32_t{1});
                       }),
               ERANGE, "Attribute failed policy validation");
}

TEST(SaCodec, RefusesABitmapThatItsAttributeDoesNotHold) {
  xfrm_usersa_info info = tunnel_info();
  info.flags = XFRM_STATE_ESN;
  const auto with_bitmap = [&](std::uint32_t words) {
    return message(info, [words](MessageWriter& writer) {
      write_aead(writer);
      xfrm_replay_state_esn state{};
      state.bmp_len = words;
      state.replay_window = 64;
      writer.attribute_with_tail(XFRMA_REPLAY_ESN_VAL, state,
                                 std::vector<std::byte>(sizeof(std::uint32_t)));
    });
  };
  EXPECT_TRUE(parse_sa(with_bitmap(1).read()));
  expect_error(with_bitmap(2), EINVAL, "ESN attribute is too short to fit the full bitmap length");
  expect_error(with_bitmap(129), EINVAL, "ESN bitmap length must be <= 128");
  expect_error(with_bitmap(~0u), EINVAL, "ESN bitmap length must be <= 128");
}

TEST(SaCodec, RefusesEveryTruncatedMessage) {
  const Message request = plain(tunnel_info());
  for (std::size_t size = sizeof(nlmsghdr); size < request.datagram.size(); ++size) {
    SecretBytes cut(request.datagram.begin(),
                    request.datagram.begin() + static_cast<std::ptrdiff_t>(size));
    const auto length = static_cast<std::uint32_t>(size);
    std::memcpy(cut.data(), &length, sizeof(length));
    EXPECT_FALSE(parse_sa(*MessageReader(cut).next())) << size;
  }
}

TEST(SaCodec, ShowsTheWindowAsTheKernelsBitmap) {
  SaRequest request = *parse_sa(plain(tunnel_info()).read());
  request.sa.info_window = 32;
  SaView view{.sa = request.sa,
              .figures = {.sequence = 5},
              .is_outbound = false,
              .replay_bitmap = {0b101011},  // 5, 4, 2 and the 0 that no sender uses
              .key = request.key.bytes()};
  Message answer;
  MessageWriter writer(answer.datagram);
  writer.begin(XFRM_MSG_NEWSA, 0, 1, 0);
  write_sa(writer, view);
  writer.end();
  const Attributes attributes(answer.read().payload.subspan(sizeof(xfrm_usersa_info)));
  const auto replay = attributes.get<xfrm_replay_state>(XFRMA_REPLAY_VAL);
  ASSERT_TRUE(replay);
  EXPECT_EQ(replay->seq, 5u);
  EXPECT_EQ(replay->oseq, 0u);
  EXPECT_EQ(replay->bitmap, 0b1011u);
}

TEST(SaCodec, ShowsTheLastNumberOfAnSaWithoutEsnThatIsUsedUp) {
  const SaRequest request = *parse_sa(plain(tunnel_info()).read());
  const SaView view{.sa = request.sa,
                    .figures = {.sequence = (1ull << 32) + 6},
                    .is_outbound = true,
                    .replay_bitmap = {},
                    .key = request.key.bytes()};
  Message answer;
  MessageWriter writer(answer.datagram);
  writer.begin(XFRM_MSG_NEWSA, 0, 1, 0);
  write_sa(writer, view);
  writer.end();
  const Attributes attributes(answer.read().payload.subspan(sizeof(xfrm_usersa_info)));
  const auto replay = attributes.get<xfrm_replay_state>(XFRMA_REPLAY_VAL);
  ASSERT_TRUE(replay);
  EXPECT_EQ(replay->oseq, 0xffffffffu);
}

TEST(SaCodec, ShowsAnEsnWindowAsTheKernelsRing) {
  SaRequest request = *parse_sa(plain(tunnel_info()).read());
  request.sa.flags |= kStateEsn;
  request.sa.replay = ReplayAsked{.is_esn_struct = true, .window = 64, .bitmap_words = 2};
  const SaView view{.sa = request.sa,
                    .figures = {.sequence = (1ull << 32) + 34},
                    .is_outbound = false,
                    .replay_bitmap = {0b11, 0},
                    .key = request.key.bytes()};
  Message answer;
  MessageWriter writer(answer.datagram);
  writer.begin(XFRM_MSG_NEWSA, 0, 1, 0);
  write_sa(writer, view);
  writer.end();
  const Attributes attributes(answer.read().payload.subspan(sizeof(xfrm_usersa_info)));
  const Bytes bytes = attributes.bytes(XFRMA_REPLAY_ESN_VAL);
  xfrm_replay_state_esn state{};
  ASSERT_TRUE(copy_struct(bytes, state));
  EXPECT_EQ(state.seq, 34u);
  EXPECT_EQ(state.seq_hi, 1u);
  const auto second_word = read_struct<std::uint32_t>(bytes.subspan(sizeof(state) + 4));
  EXPECT_EQ(second_word, 0b11u);  // numbers 33 and 34 have the bits 32 and 33
}

TEST(SaFilter, MatchesByPrefixAndProtocol) {
  const Sa sa = parse_sa(plain(tunnel_info()).read())->sa;
  SaFilter filter;
  EXPECT_TRUE(filter.matches(sa));
  filter.has_addresses = true;
  filter.family = Family::v4;
  filter.src = IpAddress::v4(Be32{0xc0000200});
  filter.src_prefix_bits = 31;
  EXPECT_TRUE(filter.matches(sa));
  filter.src_prefix_bits = 32;
  EXPECT_FALSE(filter.matches(sa));
  filter.src_prefix_bits = 0;
  filter.protocol = IPPROTO_AH;
  EXPECT_FALSE(filter.matches(sa));
}

}  // namespace
}  // namespace culvert::xfrm
