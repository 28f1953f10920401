// SPDX-License-Identifier: BSD-3-Clause
// Known-answer test of every transform on the code path in use, run before the first packet: a
// library or CPU that computes wrongly, or accepts what it must refuse, is found at start.
#include <intel-ipsec-mb.h>

#include <vector>

#include "crypto/esp_transform.h"
#include "crypto/key.h"

namespace culvert {
namespace {

// Expected ICVs are OpenSSL 3.0's, for the patterns that make_packet() and make_key() lay out. The
// ICV covers the ciphertext, so a right ICV means right ciphertext.
struct KnownAnswer {
  TransformId transform;
  std::uint32_t payload_bytes;
  std::uint32_t aad_bytes;
  std::array<std::uint8_t, 16> icv;
};
constexpr KnownAnswer kKnownAnswers[] = {
    {TransformId::aes128_gcm16,
     0,
     8,
     {0xdc, 0xb0, 0x91, 0x04, 0x58, 0xa1, 0xc9, 0xf8, 0xac, 0x0f, 0x3b, 0x3a, 0x28, 0x9c, 0xc4,
      0x62}},
    {TransformId::aes128_gcm16,
     20,
     12,
     {0x8c, 0xbc, 0x9f, 0x97, 0x12, 0xc4, 0xf0, 0x4e, 0x7f, 0xdd, 0x58, 0x2c, 0x65, 0x4d, 0xbe,
      0x5c}},
    {TransformId::aes128_gcm16,
     64,
     8,
     {0x86, 0x52, 0x85, 0xba, 0x36, 0x57, 0xd6, 0x20, 0xf5, 0xcc, 0x2b, 0x46, 0xc8, 0xf3, 0x04,
      0xf4}},
    {TransformId::aes128_gcm16,
     512,
     12,
     {0x33, 0xfc, 0xa2, 0xad, 0xbf, 0xa0, 0xb8, 0xaf, 0xfd, 0x43, 0xed, 0x6f, 0x1d, 0x0b, 0xdb,
      0xc6}},
    {TransformId::aes128_gcm16,
     1424,
     8,
     {0x47, 0x50, 0x90, 0x44, 0xbc, 0x2f, 0xbf, 0xf7, 0x69, 0xb0, 0x02, 0x00, 0x68, 0x27, 0x34,
      0x28}},
    {TransformId::aes192_gcm16,
     0,
     8,
     {0x9f, 0x0c, 0xef, 0xef, 0x79, 0x45, 0xd5, 0x0b, 0xbb, 0x2c, 0x04, 0xdc, 0x0c, 0x7e, 0x6d,
      0x9d}},
    {TransformId::aes192_gcm16,
     20,
     12,
     {0x99, 0x20, 0xb4, 0x1d, 0x4f, 0xca, 0x9f, 0x29, 0x26, 0xdf, 0x15, 0x64, 0x83, 0xd6, 0x02,
      0xca}},
    {TransformId::aes192_gcm16,
     64,
     8,
     {0xcc, 0x01, 0x3d, 0xa7, 0x16, 0xb5, 0x2a, 0xb5, 0x11, 0x82, 0x4d, 0xd8, 0x75, 0x5c, 0xd6,
      0xa9}},
    {TransformId::aes192_gcm16,
     512,
     12,
     {0x0a, 0xa9, 0xd3, 0x82, 0x66, 0x50, 0x58, 0xad, 0x5d, 0x40, 0xdc, 0xa8, 0xd1, 0x7e, 0x02,
      0xdb}},
    {TransformId::aes192_gcm16,
     1424,
     8,
     {0x94, 0xb8, 0x59, 0x1e, 0x06, 0xcb, 0xd1, 0xd4, 0x8d, 0xcf, 0xee, 0x3f, 0x15, 0xe8, 0x08,
      0x53}},
    {TransformId::aes256_gcm16,
     0,
     8,
     {0x95, 0x2c, 0x63, 0x33, 0x91, 0x89, 0x60, 0x77, 0xb9, 0xfc, 0x24, 0x9a, 0x50, 0x25, 0x57,
      0xcb}},
    {TransformId::aes256_gcm16,
     20,
     12,
     {0xd1, 0x64, 0xdb, 0x2f, 0x7e, 0xf3, 0x5d, 0x93, 0x0d, 0xf5, 0x3c, 0x94, 0xa6, 0x7a, 0xdf,
      0x43}},
    {TransformId::aes256_gcm16,
     64,
     8,
     {0xaf, 0x8d, 0x8d, 0x5a, 0xfc, 0x00, 0xc3, 0x78, 0x5b, 0x1a, 0x08, 0x88, 0x6f, 0xd3, 0x18,
      0x77}},
    {TransformId::aes256_gcm16,
     512,
     12,
     {0xce, 0xb1, 0x7a, 0x2b, 0x86, 0x47, 0xf2, 0xa3, 0x13, 0x22, 0x3f, 0x8c, 0xad, 0x70, 0x23,
      0x9b}},
    {TransformId::aes256_gcm16,
     1424,
     8,
     {0x10, 0x7d, 0xae, 0x2a, 0xd7, 0xa0, 0x7d, 0xd6, 0x66, 0x99, 0x79, 0x76, 0x0b, 0xa3, 0x6e,
      0xa9}},
};

std::byte pattern(std::size_t value) {
  return static_cast<std::byte>(value & 0xff);
}

std::vector<std::byte> make_key(TransformId transform) {
  const TransformInfo& info = *transform_info(transform);
  std::vector<std::byte> key;
  const std::size_t first = 17 * static_cast<std::size_t>(transform);
  for (std::size_t i = 0; i < info.key_bytes; ++i) key.push_back(pattern(first + 7 * i));
  for (std::size_t i = 0; i < info.salt_bytes; ++i) key.push_back(pattern(0xa0 + i));
  return key;
}

// A clear payload, room for the ICV, and the job over them.
struct Packet {
  std::vector<std::byte> payload;
  std::array<std::byte, 16> icv{};
  CryptoJob job{};
};

void make_packet(const KnownAnswer& answer, const ExpandedKey& key, Packet& packet) {
  for (std::size_t i = 0; i < answer.payload_bytes; ++i) {
    packet.payload.push_back(pattern(31 * i + 7));
  }
  packet.job.key = &key;
  packet.job.payload = packet.payload.data();
  packet.job.icv = packet.icv.data();
  packet.job.payload_bytes = answer.payload_bytes;
  packet.job.aad_bytes = answer.aad_bytes;
  std::array<std::byte, 8> iv;
  for (std::size_t i = 0; i < iv.size(); ++i) iv[i] = pattern(answer.payload_bytes + i);
  set_nonce(packet.job, iv);
  for (std::size_t i = 0; i < answer.aad_bytes; ++i) packet.job.aad[i] = pattern(0xc0 + i);
}

bool opens(Engine& engine, const Packet& sealed) {
  std::vector<std::byte> payload = sealed.payload;
  std::array<std::byte, 16> icv = sealed.icv;
  CryptoJob job = sealed.job;
  job.payload = payload.data();
  job.icv = icv.data();
  Verdict verdict = Verdict::refused;
  engine.open({&job, 1}, {&verdict, 1});
  return verdict == Verdict::authentic;
}

// Opens the packet with one bit of `byte` flipped, and puts the bit back.
bool opens_with_flipped(Engine& engine, const Packet& sealed, std::byte& byte) {
  byte ^= std::byte{0x10};
  const bool accepted = opens(engine, sealed);
  byte ^= std::byte{0x10};
  return accepted;
}

// What was wrong, or an empty string.
std::string check_forgeries(Engine& engine, Packet& sealed) {
  for (std::byte& byte : sealed.icv) {
    if (opens_with_flipped(engine, sealed, byte)) return "a forged ICV was accepted";
  }
  for (std::size_t i = 0; i < sealed.job.aad_bytes; ++i) {
    if (opens_with_flipped(engine, sealed, sealed.job.aad[i])) {
      return "a forged SPI or sequence number was accepted";
    }
  }
  for (std::byte& byte : sealed.payload) {
    if (opens_with_flipped(engine, sealed, byte)) return "a forged ciphertext was accepted";
  }
  return {};
}

std::string check(Engine& engine, const KnownAnswer& answer) {
  ExpandedKey key;
  if (engine.expand(answer.transform, make_key(answer.transform), key) != ExpandStatus::ok) {
    return "the key was refused";
  }
  Packet packet;
  make_packet(answer, key, packet);
  const std::vector<std::byte> clear = packet.payload;

  engine.seal({&packet.job, 1});
  if (!constant_time_equal(packet.icv, std::as_bytes(std::span(answer.icv)))) {
    return "the sealed packet has another ICV than the known answer";
  }
  if (std::string wrong = check_forgeries(engine, packet); !wrong.empty()) return wrong;

  Verdict verdict = Verdict::refused;
  engine.open({&packet.job, 1}, {&verdict, 1});
  if (verdict != Verdict::authentic) return "the sealed packet does not open";
  if (packet.payload != clear) return "the opened packet differs from what was sealed";
  return {};
}

}  // namespace

std::optional<std::string> Engine::self_test() {
  const std::uint64_t library_result =
      manager_->features & (IMB_FEATURE_SELF_TEST | IMB_FEATURE_SELF_TEST_PASS);
  if (library_result == IMB_FEATURE_SELF_TEST) return "ipsec-mb's own self-test failed";
  for (const KnownAnswer& answer : kKnownAnswers) {
    const std::string wrong = check(*this, answer);
    if (wrong.empty()) continue;
    return std::string(transform_info(answer.transform)->name) + " on " + std::string(code_path()) +
           ", " + std::to_string(answer.payload_bytes) + " bytes: " + wrong;
  }
  return std::nullopt;
}

}  // namespace culvert
