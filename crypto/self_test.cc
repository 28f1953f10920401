// SPDX-License-Identifier: BSD-3-Clause
// Known-answer test of every transform on the code path in use, run before the first packet: a
// library or CPU that computes wrongly, or accepts what it must refuse, is found at start.
#include <intel-ipsec-mb.h>

#include <vector>

#include "crypto/esp_transform.h"
#include "crypto/self_test_answers.h"

namespace culvert {
namespace {

constexpr std::size_t kPackets = 20;  // more than the lanes of any code path
constexpr std::size_t kHeaderBytes = 8;
constexpr std::size_t kMostPayloadBytes = 1424;

std::byte pattern(std::size_t value) {
  return static_cast<std::byte>(value & 0xff);
}

std::vector<std::byte> make_key(TransformId transform) {
  std::vector<std::byte> key;
  const std::size_t first = 17 * static_cast<std::size_t>(transform);
  const std::size_t bytes = transform_info(transform)->material_bytes();
  for (std::size_t i = 0; i < bytes; ++i) key.push_back(pattern(first + 7 * i));
  return key;
}

// A packet from the ESP header to the ICV, and the job over it.
struct Packet {
  std::array<std::byte, kHeaderBytes + 16 + kMostPayloadBytes + kMaxIcvBytes> wire{};
  std::size_t wire_bytes = 0;
  CryptoJob job{};
};

std::uint32_t payload_bytes_of(std::size_t index) {
  return index == kPackets - 1 ? kMostPayloadBytes : static_cast<std::uint32_t>(48 * (index % 7));
}

// Every other packet has ESN.
void make_packet(const TransformInfo& info, const ExpandedKey& key, std::size_t index,
                 Packet& packet) {
  const std::uint32_t payload_bytes = payload_bytes_of(index);
  const std::size_t payload_at = kHeaderBytes + info.iv_bytes;
  packet.wire_bytes = payload_at + payload_bytes + info.icv_bytes;
  for (std::size_t i = 0; i < kHeaderBytes; ++i) packet.wire[i] = pattern(0xc0 + i + index);
  if (info.iv_bytes != 0) packet.wire[payload_at - 1] = pattern(index + 1);
  for (std::size_t i = 0; i < payload_bytes; ++i) packet.wire[payload_at + i] = pattern(31 * i + 7);
  CryptoJob& job = packet.job;
  job.key = &key;
  job.payload = packet.wire.data() + payload_at;
  job.icv = job.payload + payload_bytes;
  job.payload_bytes = payload_bytes;
  job.aad_bytes = index % 2 == 0 ? 8 : 12;
  set_nonce(job, std::span<const std::byte, 8>(job.payload - 8, 8));
  std::memcpy(job.aad.data(), packet.wire.data(), kHeaderBytes);
  if (index % 2 == 0) return;
  for (std::size_t i = 4; i < 8; ++i) job.aad[i] = pattern(0xe0 + i);
  std::memcpy(job.aad.data() + 8, packet.wire.data() + 4, 4);
}

// FNV-1a. What went wrong anywhere in a packet shows here.
std::uint64_t digest_of(std::span<const Packet> packets) {
  std::uint64_t digest = 0xcbf29ce484222325;
  for (const Packet& packet : packets) {
    for (const std::byte byte : std::span(packet.wire).first(packet.wire_bytes)) {
      digest = (digest ^ static_cast<std::uint64_t>(byte)) * 0x100000001b3;
    }
  }
  return digest;
}

// Copies of one sealed packet with one bit wrong each, opened together.
class Forgeries {
 public:
  Forgeries(Engine& engine, const Packet& sealed) : engine_(engine), sealed_(sealed) {}

  // What was wrong, or an empty string.
  std::string check() {
    const std::size_t payload_at = static_cast<std::size_t>(sealed_.job.payload - at(0));
    const std::size_t icv_at = static_cast<std::size_t>(sealed_.job.icv - at(0));
    for (std::size_t i = icv_at; i < sealed_.wire_bytes; ++i) {
      if (opens_with_flipped(i)) return "a forged ICV was accepted";
    }
    for (std::size_t i = 0; i < payload_at; ++i) {
      if (opens_with_flipped(i)) return "a forged SPI, sequence number or IV was accepted";
    }
    for (std::size_t i = payload_at; i < icv_at; i += 5) {
      if (opens_with_flipped(i)) return "a forged ciphertext was accepted";
    }
    CryptoJob job = sealed_.job;
    job.aad[5] ^= std::byte{0x10};  // the high half of the sequence number
    if (opens(sealed_, job)) return "a forged high half of the sequence number was accepted";
    return {};
  }

 private:
  const std::byte* at(std::size_t offset) const { return sealed_.wire.data() + offset; }

  bool opens_with_flipped(std::size_t offset) {
    Packet forged = sealed_;
    forged.wire[offset] ^= std::byte{0x10};
    CryptoJob job = sealed_.job;
    // What a stage reads from the packet: SPI, the low half of the sequence number and the IV.
    if (offset < 4) job.aad[offset] ^= std::byte{0x10};
    if (offset >= 4 && offset < kHeaderBytes) job.aad[4 + offset] ^= std::byte{0x10};
    const auto iv_at = static_cast<std::size_t>(sealed_.job.payload - at(0)) - 8;
    if (offset >= iv_at && offset < iv_at + 8) job.nonce[4 + offset - iv_at] ^= std::byte{0x10};
    return opens(forged, job);
  }

  // A copy of the packet at a place of its own.
  bool opens(Packet packet, CryptoJob job) {
    job.payload = packet.wire.data() + (sealed_.job.payload - at(0));
    job.icv = packet.wire.data() + (sealed_.job.icv - at(0));
    Verdict verdict = Verdict::authentic;
    engine_.open({&job, 1}, {&verdict, 1});
    return verdict == Verdict::authentic;
  }

  Engine& engine_;
  const Packet& sealed_;
};

// What was wrong, or an empty string.
std::string check(Engine& engine, TransformId transform, std::vector<Packet>& packets) {
  const TransformInfo& info = *transform_info(transform);
  ExpandedKey key;
  if (engine.expand(transform, make_key(transform), key) != ExpandStatus::ok) {
    return "the key was refused";
  }
  packets.assign(kPackets, {});
  std::array<CryptoJob, kPackets> jobs;
  for (std::size_t i = 0; i < kPackets; ++i) {
    make_packet(info, key, i, packets[i]);
    jobs[i] = packets[i].job;
  }
  engine.seal(jobs);
  if (digest_of(packets) != kSelfTestAnswers[static_cast<std::size_t>(transform)]) {
    return "sealed packets differ from the known answer";
  }
  if (info.icv_bytes != 0) {
    if (std::string wrong = Forgeries(engine, packets[1]).check(); !wrong.empty()) return wrong;
  }
  // What stages do with a packet: the nonce is read from it.
  for (std::size_t i = 0; i < kPackets; ++i) {
    set_nonce(jobs[i], std::span<const std::byte, 8>(jobs[i].payload - 8, 8));
  }
  std::array<Verdict, kPackets> verdicts{};
  engine.open(jobs, verdicts);
  for (std::size_t i = 0; i < kPackets; ++i) {
    if (verdicts[i] != Verdict::authentic) return "a sealed packet does not open";
    for (std::size_t at = 0; at < jobs[i].payload_bytes; ++at) {
      if (jobs[i].payload[at] != pattern(31 * at + 7)) {
        return "an opened packet differs from what was sealed";
      }
    }
  }
  return {};
}

}  // namespace

std::optional<std::string> Engine::self_test() {
  const std::uint64_t library_result =
      manager_->features & (IMB_FEATURE_SELF_TEST | IMB_FEATURE_SELF_TEST_PASS);
  if (library_result == IMB_FEATURE_SELF_TEST) return "ipsec-mb's own self-test failed";
  std::vector<Packet> packets;
  for (std::size_t id = 1; id < kTransformCount; ++id) {
    const std::string wrong = check(*this, static_cast<TransformId>(id), packets);
    if (wrong.empty()) continue;
    return std::string(kTransforms[id].name) + " on " + std::string(code_path()) + ": " + wrong;
  }
  return std::nullopt;
}

}  // namespace culvert
