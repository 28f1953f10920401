// SPDX-License-Identifier: BSD-3-Clause
#include "control/cli/pcapng.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <system_error>
#include <type_traits>
#include <utility>

namespace culvert {
namespace {

constexpr std::uint32_t kSectionHeader = 0x0a0d0d0a;
constexpr std::uint32_t kInterfaceDescription = 1;
constexpr std::uint32_t kEnhancedPacket = 6;
constexpr std::uint32_t kByteOrderMagic = 0x1a2b3c4d;
constexpr std::uint16_t kLinkTypeRaw = 101;  // IPv4 or IPv6, by the version field
constexpr std::uint32_t kNoSnapLength = 0;
constexpr std::uint16_t kOptionEnd = 0;
constexpr std::uint16_t kOptionComment = 1;
constexpr std::uint16_t kOptionName = 2;            // of an interface
constexpr std::uint16_t kOptionTimeResolution = 9;  // of an interface: powers of 10 of a second
constexpr std::size_t kLongestOption = 0xffff;

template <typename Number>
void add(std::string& to, Number number) {
  static_assert(std::is_unsigned_v<Number>);
  to.append(reinterpret_cast<const char*>(&number), sizeof number);
}

void add_padded(std::string& to, std::string_view bytes) {
  to += bytes;
  to.append((4 - bytes.size() % 4) % 4, '\0');
}

void add_option(std::string& to, std::uint16_t code, std::string_view value) {
  value = value.substr(0, kLongestOption);
  add(to, code);
  add(to, static_cast<std::uint16_t>(value.size()));
  add_padded(to, value);
}

// Type and length stand before a block's body, and the length again behind it.
std::string block_of(std::uint32_t type, const std::string& body) {
  const auto length = static_cast<std::uint32_t>(body.size() + 12);
  std::string block;
  add(block, type);
  add(block, length);
  block += body;
  add(block, length);
  return block;
}

std::string section_header() {
  std::string body;
  add(body, kByteOrderMagic);
  add(body, std::uint16_t{1});  // version 1.0
  add(body, std::uint16_t{0});
  add(body, ~std::uint64_t{0});  // the section's length is not known
  return block_of(kSectionHeader, body);
}

std::string interface_description(std::string_view name) {
  std::string body;
  add(body, kLinkTypeRaw);
  add(body, std::uint16_t{0});
  add(body, kNoSnapLength);
  add_option(body, kOptionName, name);
  add_option(body, kOptionTimeResolution, "\x09");
  add_option(body, kOptionEnd, "");
  return block_of(kInterfaceDescription, body);
}

Error file_error(const std::string& file) {
  return {errno, fmt::format("{}: {}", file, std::generic_category().message(errno))};
}

}  // namespace

Result<PcapngWriter> PcapngWriter::create(const std::string& file) {
  const int descriptor =
      open(file.c_str(), O_WRONLY | O_CREAT | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC, 0600);
  if (descriptor < 0) return file_error(file);
  PcapngWriter writer(fdopen(descriptor, "wb"), file);
  struct stat status {};
  if (writer.stream_ == nullptr || fstat(descriptor, &status) != 0) return file_error(file);
  if (!S_ISREG(status.st_mode) || status.st_uid != geteuid()) {
    return Error{EINVAL, fmt::format("{}: must be a regular file of your own, or not exist", file)};
  }
  if (fchmod(descriptor, 0600) != 0 || ftruncate(descriptor, 0) != 0) return file_error(file);
  if (const auto put = writer.put(section_header()); !put) return put.error();
  for (const char* name : {"clear", "wire"}) {
    if (const auto put = writer.put(interface_description(name)); !put) return put.error();
  }
  if (const auto flushed = writer.flush(); !flushed) return flushed.error();
  return writer;
}

Result<void> PcapngWriter::put(const std::string& block) {
  if (std::fwrite(block.data(), 1, block.size(), stream_.get()) != block.size()) {
    return file_error(file_);
  }
  return {};
}

Result<void> PcapngWriter::write(Interface interface, std::uint64_t time_ns,
                                 std::span<const std::byte> packet, std::uint32_t length,
                                 std::string_view comment) {
  std::string body;
  add(body, static_cast<std::uint32_t>(interface));
  add(body, static_cast<std::uint32_t>(time_ns >> 32));
  add(body, static_cast<std::uint32_t>(time_ns));
  add(body, static_cast<std::uint32_t>(packet.size()));
  add(body, std::max(length, static_cast<std::uint32_t>(packet.size())));
  add_padded(body, {reinterpret_cast<const char*>(packet.data()), packet.size()});
  add_option(body, kOptionComment, comment);
  add_option(body, kOptionEnd, "");
  return put(block_of(kEnhancedPacket, body));
}

Result<void> PcapngWriter::flush() {
  if (std::fflush(stream_.get()) != 0) return file_error(file_);
  return {};
}

}  // namespace culvert
