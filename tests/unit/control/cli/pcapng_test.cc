// SPDX-License-Identifier: BSD-3-Clause
#include "control/cli/pcapng.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <vector>

#include "control/cli/trace.h"

namespace culvert {
namespace {

using testing::HasSubstr;

class Pcapng : public testing::Test {
 protected:
  Pcapng() {
    std::string pattern = testing::TempDir() + "culvert-pcapng-XXXXXX";
    folder_ = mkdtemp(pattern.data());
    file_ = (folder_ / "a.pcapng").string();
  }
  ~Pcapng() override { std::filesystem::remove_all(folder_); }

  // What tshark says of the capture; empty where there is none on this machine.
  [[nodiscard]] std::string tshark(const std::string& fields) const {
    const std::string command = "tshark -r " + file_ + " -T fields " + fields + " 2>/dev/null";
    std::unique_ptr<FILE, int (*)(FILE*)> pipe(popen(command.c_str(), "r"), pclose);
    std::string text;
    for (std::array<char, 256> part{}; fgets(part.data(), part.size(), pipe.get()) != nullptr;) {
      text += part.data();
    }
    return text;
  }

  std::filesystem::path folder_;
  std::string file_;
};

// An ICMP echo request and the front of an ESP packet, from 192.0.2.1 to 192.0.2.2.
const std::vector<std::byte> kEcho = bytes_of_hex(
    "4500001c00010000400176b2c0000201c0000202"
    "0800f7fe00010000");
const std::vector<std::byte> kEsp = bytes_of_hex(
    "4500003c0002000040327660c0000201c0000202"
    "0000100100000007");

TEST_F(Pcapng, IsReadByWireshark) {
  ASSERT_EQ(access("/usr/bin/tshark", X_OK), 0) << "no tshark; tools/setup installs it";
  auto writer = PcapngWriter::create(file_);
  ASSERT_TRUE(writer) << writer.error().message;
  ASSERT_TRUE(writer->write(PcapngWriter::Interface::clear, 1'700'000'000'123'456'789, kEcho,
                            static_cast<std::uint32_t>(kEcho.size()), "received"));
  ASSERT_TRUE(writer->write(PcapngWriter::Interface::wire, 1'700'000'000'200'000'000, kEsp, 60,
                            "sealed, an odd one"));
  ASSERT_TRUE(writer->flush());
  EXPECT_EQ(tshark("-e frame.interface_name -e frame.time_epoch -e frame.len -e frame.cap_len "
                   "-e frame.comment -e ip.src"),
            "clear\t1700000000.123456789\t28\t28\treceived\t192.0.2.1\n"
            "wire\t1700000000.200000000\t60\t28\tsealed, an odd one\t192.0.2.1\n");
  EXPECT_THAT(tshark("-e esp.spi"), HasSubstr("0x00001001"));
}

TEST_F(Pcapng, IsItsOwnersAlone) {
  std::ofstream(file_) << "of before";
  ASSERT_EQ(chmod(file_.c_str(), 0644), 0);
  ASSERT_TRUE(PcapngWriter::create(file_));
  struct stat status {};
  ASSERT_EQ(stat(file_.c_str(), &status), 0);
  EXPECT_EQ(status.st_mode & 07777, 0600u);
  std::ifstream stream(file_, std::ios::binary);
  const std::string text{std::istreambuf_iterator<char>(stream), {}};
  EXPECT_EQ(text.find("of before"), std::string::npos);
}

TEST_F(Pcapng, FollowsNoLinkAndWritesToNoDevice) {
  ASSERT_EQ(symlink("/etc/hostname", file_.c_str()), 0);
  EXPECT_FALSE(PcapngWriter::create(file_));
  EXPECT_FALSE(PcapngWriter::create("/dev/null"));
  EXPECT_FALSE(PcapngWriter::create((folder_ / "none" / "b").string()));
}

TEST(TraceLine, TellsAStepInASentence) {
  const Json sa = {{"index", 3},
                   {"spi", "0x00001001"},
                   {"src", "192.0.2.1"},
                   {"dst", "192.0.2.2"},
                   {"reqid", 1}};
  EXPECT_EQ(trace_step({{"stage", "inbound_policy"}, {"policy", Json()}, {"action", "none"}}),
            "inbound policy: none matches");
  EXPECT_EQ(trace_step({{"stage", "outbound_policy"}, {"policy", 4}, {"action", "protect"}}),
            "outbound policy 4: protect");
  EXPECT_EQ(
      trace_step({{"stage", "dropped"}, {"drop", "esp_in_replay"}, {"help", "seen"}, {"sa", sa}}),
      "dropped, esp_in_replay: seen; SA 3 (192.0.2.1 to 192.0.2.2, reqid 1)");
  EXPECT_EQ(trace_step({{"stage", "routed"}, {"port", "wan"}, {"next_hop", Json()}}),
            "routed to wan, on the link");
  EXPECT_THAT(trace_line({{"packet", "0.7"}, {"time_ns", 61'000'002'000u}, {"stage", "held"}}),
              HasSubstr("00:01:01.000002  0.7"));
}

TEST(TraceBytes, AreReadFromHexadecimalDigits) {
  EXPECT_EQ(bytes_of_hex("0aff"), (std::vector<std::byte>{std::byte{10}, std::byte{255}}));
  EXPECT_TRUE(bytes_of_hex("0af").empty());
  EXPECT_TRUE(bytes_of_hex("0g").empty());
}

}  // namespace
}  // namespace culvert
