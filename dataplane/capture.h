// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <pcap/pcap.h>

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

namespace culvert {

// A capture file of Ethernet frames, read one frame ahead (pcap or pcapng, by libpcap).
class CaptureReader {
 public:
  // Returns what is wrong with the file, or an empty string.
  [[nodiscard]] std::string open(const std::string& path);

  [[nodiscard]] bool has_frame() const { return frame_ != nullptr; }
  [[nodiscard]] std::uint64_t time_ns() const { return time_ns_; }
  // Why there are no more frames, or an empty string: the file has ended.
  [[nodiscard]] const std::string& error() const { return error_; }
  // Valid until next().
  [[nodiscard]] std::span<const std::byte> frame() const {
    return {reinterpret_cast<const std::byte*>(frame_), bytes_};
  }
  void next();

 private:
  struct Close {
    void operator()(pcap_t* file) const { pcap_close(file); }
  };
  std::string path_;
  std::string error_;
  std::unique_ptr<pcap_t, Close> file_;
  const u_char* frame_ = nullptr;
  std::size_t bytes_ = 0;
  std::uint64_t time_ns_ = 0;
};

// A pcap file being written, with times in nanoseconds.
class CaptureWriter {
 public:
  [[nodiscard]] std::string open(const std::string& path);
  void write(std::uint64_t time_ns, std::span<const std::byte> frame);
  // Returns what could not be written, or an empty string.
  [[nodiscard]] std::string close();

 private:
  struct Close {
    void operator()(pcap_t* file) const { pcap_close(file); }
    void operator()(pcap_dumper_t* file) const { pcap_dump_close(file); }
  };
  std::string path_;
  std::unique_ptr<pcap_t, Close> format_;
  std::unique_ptr<pcap_dumper_t, Close> file_;
};

}  // namespace culvert
