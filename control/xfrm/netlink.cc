// SPDX-License-Identifier: BSD-3-Clause
#include "control/xfrm/netlink.h"

#include <algorithm>
#include <array>

namespace culvert::xfrm {

std::optional<NetlinkMessage> MessageReader::next() {
  const auto header = read_struct<nlmsghdr>(rest_);
  if (!header || header->nlmsg_len < sizeof(nlmsghdr) || header->nlmsg_len > rest_.size()) {
    return std::nullopt;
  }
  const Bytes whole = rest_.first(header->nlmsg_len);
  const std::size_t aligned = NLMSG_ALIGN(std::size_t{header->nlmsg_len});
  rest_ = rest_.subspan(std::min(aligned, rest_.size()));
  return NetlinkMessage{*header, whole.subspan(sizeof(nlmsghdr)), whole};
}

Attributes::Attributes(Bytes bytes) {
  while (const auto header = read_struct<nlattr>(bytes)) {
    if (header->nla_len < sizeof(nlattr) || header->nla_len > bytes.size()) return;
    const auto type = static_cast<std::uint16_t>(header->nla_type & NLA_TYPE_MASK);
    if (type != 0 && type <= kMaxType) {
      by_type_[type] = bytes.subspan(sizeof(nlattr), header->nla_len - sizeof(nlattr));
    }
    const std::size_t aligned = NLA_ALIGN(std::size_t{header->nla_len});
    bytes = bytes.subspan(std::min(aligned, bytes.size()));
  }
}

void MessageWriter::begin(std::uint16_t type, std::uint16_t flags, std::uint32_t sequence,
                          std::uint32_t port_id) {
  start_ = datagram_.size();
  fixed(nlmsghdr{0, type, flags, sequence, port_id});
}

void MessageWriter::append(Bytes bytes) {
  datagram_.insert(datagram_.end(), bytes.begin(), bytes.end());
}

void MessageWriter::align() {
  datagram_.resize(start_ + NLMSG_ALIGN(datagram_.size() - start_));
}

void MessageWriter::start_attribute(std::uint16_t type, std::size_t value_bytes) {
  align();
  fixed(nlattr{static_cast<std::uint16_t>(sizeof(nlattr) + value_bytes), type});
}

void MessageWriter::attribute(std::uint16_t type, Bytes value) {
  start_attribute(type, value.size());
  append(value);
}

void MessageWriter::text_attribute(std::uint16_t type, std::string_view text) {
  start_attribute(type, text.size() + 1);
  append(std::as_bytes(std::span(text)));
  datagram_.push_back(std::byte{0});
}

void MessageWriter::end() {
  align();  // as nlmsg_end: the padding behind the last attribute counts
  const auto length = static_cast<std::uint32_t>(datagram_.size() - start_);
  std::memcpy(datagram_.data() + start_ + offsetof(nlmsghdr, nlmsg_len), &length, sizeof(length));
}

}  // namespace culvert::xfrm
