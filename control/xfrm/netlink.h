// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <linux/netlink.h>
#include <sodium.h>

#include <array>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <memory>
#include <optional>
#include <span>
#include <string_view>
#include <type_traits>
#include <vector>

#include "control/secret_bytes.h"

// Reading and writing of netlink messages and attributes. Readers take foreign bytes: every length
// is checked, structs are copied out, nothing points at unaligned memory.

namespace culvert::xfrm {

using culvert::SecretBytes;
using culvert::WipingAllocator;

using Bytes = std::span<const std::byte>;

// Copies a wire struct from the start of `bytes`; false when they are too few. Also for structs
// that end in a flexible array, which std::optional cannot hold: their fixed part is copied.
template <typename T>
[[nodiscard]] bool copy_struct(Bytes bytes, T& value) {
  static_assert(std::is_trivially_copyable_v<T>);
  if (bytes.size() < sizeof(T)) return false;
  std::memcpy(&value, bytes.data(), sizeof(T));
  return true;
}

template <typename T>
[[nodiscard]] std::optional<T> read_struct(Bytes bytes) {
  T value{};
  if (!copy_struct(bytes, value)) return std::nullopt;
  return value;
}

struct NetlinkMessage {
  nlmsghdr header{};
  Bytes payload;  // behind the header
  Bytes whole;    // header included, nlmsg_len bytes
};

// The messages of one datagram, in order. Ends before the first that is malformed, as the kernel
// does.
class MessageReader {
 public:
  explicit MessageReader(Bytes datagram) : rest_(datagram) {}
  [[nodiscard]] std::optional<NetlinkMessage> next();

 private:
  Bytes rest_;
};

// The attributes behind a message's fixed part, by type. Of several of one type the last counts;
// types above kMaxType and a malformed rest are passed over, as the kernel does for XFRM.
class Attributes {
 public:
  static constexpr std::uint16_t kMaxType = 47;  // leaves room for those newer than our header

  explicit Attributes(Bytes bytes);

  [[nodiscard]] bool has(std::uint16_t type) const { return by_type_[type].data() != nullptr; }
  // Empty where the attribute is missing.
  [[nodiscard]] Bytes bytes(std::uint16_t type) const { return by_type_[type]; }
  // Empty where the attribute is missing or too short.
  template <typename T>
  [[nodiscard]] std::optional<T> get(std::uint16_t type) const {
    return read_struct<T>(by_type_[type]);
  }

 private:
  std::array<Bytes, kMaxType + 1> by_type_{};
};

// Appends netlink messages to a datagram.
class MessageWriter {
 public:
  explicit MessageWriter(SecretBytes& datagram) : datagram_(datagram) {}

  void begin(std::uint16_t type, std::uint16_t flags, std::uint32_t sequence,
             std::uint32_t port_id);
  // The message's fixed part, or raw bytes of it. Padded to a multiple of 4 before an attribute.
  template <typename T>
  void fixed(const T& value) {
    static_assert(std::is_trivially_copyable_v<T>);
    append(std::as_bytes(std::span<const T, 1>(&value, 1)));
  }
  void append(Bytes bytes);
  void attribute(std::uint16_t type, Bytes value);
  template <typename T>
  void struct_attribute(std::uint16_t type, const T& value) {
    static_assert(std::is_trivially_copyable_v<T>);
    attribute(type, std::as_bytes(std::span<const T, 1>(&value, 1)));
  }
  // Zero-terminated.
  void text_attribute(std::uint16_t type, std::string_view text);
  // An attribute of two pieces: a struct and the bytes behind it (an algorithm and its key).
  template <typename T>
  void attribute_with_tail(std::uint16_t type, const T& head, Bytes tail) {
    static_assert(std::is_trivially_copyable_v<T>);
    start_attribute(type, sizeof(T) + tail.size());
    append(std::as_bytes(std::span<const T, 1>(&head, 1)));
    append(tail);
  }
  // Pads the message to a multiple of 4 and completes nlmsg_len.
  void end();

 private:
  void start_attribute(std::uint16_t type, std::size_t value_bytes);
  void align();

  SecretBytes& datagram_;
  std::size_t start_ = 0;
};

}  // namespace culvert::xfrm
