// SPDX-License-Identifier: BSD-3-Clause
#include "dataplane/capture.h"

#include <cstdio>

namespace culvert {
namespace {

constexpr std::uint64_t kNsPerSecond = 1'000'000'000;
constexpr int kLongestFrame = 65535;

}  // namespace

std::string CaptureReader::open(const std::string& path) {
  path_ = path;
  char error[PCAP_ERRBUF_SIZE] = {};
  file_.reset(
      pcap_open_offline_with_tstamp_precision(path.c_str(), PCAP_TSTAMP_PRECISION_NANO, error));
  if (file_ == nullptr) return path + ": " + error;
  if (pcap_datalink(file_.get()) != DLT_EN10MB) {
    return path + ": frames are not Ethernet (link type 1)";
  }
  next();
  return error_;
}

void CaptureReader::next() {
  pcap_pkthdr* header = nullptr;
  const int result = pcap_next_ex(file_.get(), &header, &frame_);
  if (result != 1) {
    frame_ = nullptr;
    if (result == PCAP_ERROR) error_ = path_ + ": " + pcap_geterr(file_.get());
    return;
  }
  bytes_ = header->caplen;
  time_ns_ = static_cast<std::uint64_t>(header->ts.tv_sec) * kNsPerSecond +
             static_cast<std::uint64_t>(header->ts.tv_usec);  // nanoseconds, as asked for
}

std::string CaptureWriter::open(const std::string& path) {
  path_ = path;
  format_.reset(
      pcap_open_dead_with_tstamp_precision(DLT_EN10MB, kLongestFrame, PCAP_TSTAMP_PRECISION_NANO));
  file_.reset(pcap_dump_open(format_.get(), path.c_str()));
  return file_ == nullptr ? pcap_geterr(format_.get()) : std::string();
}

void CaptureWriter::write(std::uint64_t time_ns, std::span<const std::byte> frame) {
  pcap_pkthdr header{};
  header.ts.tv_sec = static_cast<time_t>(time_ns / kNsPerSecond);
  header.ts.tv_usec = static_cast<suseconds_t>(time_ns % kNsPerSecond);
  header.caplen = static_cast<bpf_u_int32>(frame.size());
  header.len = header.caplen;
  pcap_dump(reinterpret_cast<u_char*>(file_.get()), &header,
            reinterpret_cast<const u_char*>(frame.data()));
}

std::string CaptureWriter::close() {
  // An error of an earlier frame stays with the file; pcap_dump() says nothing.
  const bool is_written =
      pcap_dump_flush(file_.get()) == 0 && std::ferror(pcap_dump_file(file_.get())) == 0;
  file_.reset();
  return is_written ? std::string() : path_ + ": could not be written whole; is there room for it?";
}

}  // namespace culvert
