// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <linux/netlink.h>
#include <netlink/attr.h>
#include <netlink/msg.h>

#include <array>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <memory>
#include <new>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <type_traits>

// Writing and reading netlink messages: a header, a fixed struct, and attributes behind it.

namespace culvert {

class NetlinkMessage {
 public:
  // `head` is the fixed struct of the message type, for example rtmsg.
  template <typename Head>
  requires(!std::is_same_v<Head, nlmsghdr>) NetlinkMessage(int type, int flags, const Head& head)
      : message_(nlmsg_alloc_simple(type, flags)) {
    static_assert(std::is_trivially_copyable_v<Head>);
    if (message_ == nullptr) throw std::bad_alloc();
    Head copy = head;
    check(nlmsg_append(message_.get(), &copy, sizeof copy, NLMSG_ALIGNTO));
  }

  // A copy of a message, to be sent as one of `type`.
  NetlinkMessage(int type, int flags, const nlmsghdr& original)
      : message_(nlmsg_convert(const_cast<nlmsghdr*>(&original))) {  // libnl only reads it
    if (message_ == nullptr) throw std::bad_alloc();
    header().nlmsg_type = static_cast<std::uint16_t>(type);
    header().nlmsg_flags = static_cast<std::uint16_t>(flags);
  }

  void put(int attribute, std::span<const std::uint8_t> bytes) {
    check(nla_put(message_.get(), attribute, static_cast<int>(bytes.size()), bytes.data()));
  }
  void put(int attribute, const std::string& text) {
    check(nla_put_string(message_.get(), attribute, text.c_str()));
  }
  void put_u32(int attribute, std::uint32_t value) {
    check(nla_put_u32(message_.get(), attribute, value));
  }
  void put_u8(int attribute, std::uint8_t value) {
    check(nla_put_u8(message_.get(), attribute, value));
  }

  [[nodiscard]] nlmsghdr& header() { return *nlmsg_hdr(message_.get()); }

 private:
  struct Free {
    void operator()(nl_msg* message) const { nlmsg_free(message); }
  };
  static void check(int error) {
    if (error < 0) throw std::bad_alloc();
  }

  std::unique_ptr<nl_msg, Free> message_;
};

// The attributes of a message or inside a nested attribute; of repeated ones the last. Valid as
// long as the bytes they were read from. Malformed ones end the list.
class NetlinkAttributes {
 public:
  NetlinkAttributes(const nlmsghdr& message, std::size_t head_bytes) {
    const auto head = static_cast<int>(head_bytes);
    if (nlmsg_valid_hdr(&message, head) == 0) return;
    nla_parse(found_.data(), kLargest, nlmsg_attrdata(&message, head),
              nlmsg_attrlen(&message, head), nullptr);
  }
  explicit NetlinkAttributes(nlattr* nested) {
    if (nested != nullptr) nla_parse_nested(found_.data(), kLargest, nested, nullptr);
  }
  NetlinkAttributes(nlattr* first, int bytes) {
    nla_parse(found_.data(), kLargest, first, bytes, nullptr);
  }

  [[nodiscard]] nlattr* find(int attribute) const {
    return found_[static_cast<std::size_t>(attribute)];
  }
  // Nothing if the attribute is missing or shorter than T.
  template <typename T>
  [[nodiscard]] std::optional<T> get(int attribute) const {
    nlattr* const found = find(attribute);
    if (found == nullptr || static_cast<std::size_t>(nla_len(found)) < sizeof(T)) return {};
    T value;
    std::memcpy(&value, nla_data(found), sizeof value);
    return value;
  }
  // Empty if the attribute is missing.
  [[nodiscard]] std::string_view text(int attribute) const {
    nlattr* const found = find(attribute);
    if (found == nullptr || nla_len(found) <= 0) return {};
    const std::string_view whole(static_cast<const char*>(nla_data(found)),
                                 static_cast<std::size_t>(nla_len(found)));
    return whole.substr(0, whole.find('\0'));
  }

 private:
  static constexpr int kLargest = 95;  // above IFLA_MAX, RTA_MAX, IFA_MAX and NDA_MAX
  std::array<nlattr*, kLargest + 1> found_{};
};

// The fixed struct at the front of a message; nullptr when the message is shorter.
template <typename Head>
[[nodiscard]] Head* message_head(nlmsghdr& message) {
  if (nlmsg_valid_hdr(&message, sizeof(Head)) == 0) return nullptr;
  return static_cast<Head*>(nlmsg_data(&message));
}
template <typename Head>
[[nodiscard]] const Head* message_head(const nlmsghdr& message) {
  if (nlmsg_valid_hdr(&message, sizeof(Head)) == 0) return nullptr;
  return static_cast<const Head*>(nlmsg_data(&message));
}

}  // namespace culvert
