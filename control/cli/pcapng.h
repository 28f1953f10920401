// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <memory>
#include <span>
#include <string>
#include <string_view>

#include "control/result.h"

namespace culvert {

// Writes a capture of IP packets with two interfaces, "clear" and "wire", in the format pcapng
// (draft-ietf-opsawg-pcapng), of which it takes three blocks: section header, interface
// description, enhanced packet. Numbers are in this machine's byte order, as the format wants it.
// (libpcap's writer knows the older format only, which has one interface and no comments.)
class PcapngWriter {
 public:
  enum class Interface : std::uint32_t { clear = 0, wire = 1 };

  // The file is its owner's alone (0600): it holds clear text. One that exists must be the caller's
  // own and a regular file, and is emptied.
  [[nodiscard]] static Result<PcapngWriter> create(const std::string& file);

  // `packet` may be the front of one of `length` bytes. `comment` is shown beside it.
  [[nodiscard]] Result<void> write(Interface interface, std::uint64_t time_ns,
                                   std::span<const std::byte> packet, std::uint32_t length,
                                   std::string_view comment);
  // What was written is in the file.
  [[nodiscard]] Result<void> flush();

 private:
  struct Close {
    void operator()(std::FILE* file) const { std::fclose(file); }
  };
  PcapngWriter(std::FILE* stream, std::string file) : stream_(stream), file_(std::move(file)) {}
  [[nodiscard]] Result<void> put(const std::string& block);

  std::unique_ptr<std::FILE, Close> stream_;
  std::string file_;
};

}  // namespace culvert
