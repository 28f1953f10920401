// SPDX-License-Identifier: BSD-3-Clause
#include "control/config.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstring>
#include <fstream>

#include "control/address_text.h"
#include "crypto/transform.h"

namespace culvert {
namespace {

using testing::AllOf;
using testing::ElementsAre;
using testing::HasSubstr;

const Machine kMachine{.cores = {0, 1, 2, 3}, .memory_bytes = 16ull << 30};

constexpr std::string_view kSite = R"(
[dataplane]
cores = [1, 2]
max_sas = 1000

[[port]]
name = "wan"
device = "wan0"
mac = "02:00:00:00:00:01"
addresses = ["192.0.2.1/24"]
mtu = 1500

[[port]]
name = "lan"
device = "0000:3b:00.0"
addresses = ["10.1.0.1/16"]

[[route]]
prefix = "10.2.0.0/16"
via = "192.0.2.2"
port = "wan"

[[neighbor]]
address = "192.0.2.2"
mac = "02:00:00:00:00:02"
port = "wan"
)";

ConfigResult parse(std::string_view text) {
  return parse_config(text, "gw.toml", kMachine);
}

// The errors of a [[port]] section with these lines, and of the file around it.
std::vector<std::string> errors_of(std::string_view text) {
  std::vector<std::string> texts;
  for (const ConfigError& error : parse(text).errors) texts.push_back(error.text());
  return texts;
}

std::string port_with(std::string_view lines) {
  return "[[port]]\nname = \"wan\"\ndevice = \"wan0\"\n" + std::string(lines) + "\n";
}

TEST(Config, ReadsAddressesRoutesAndNeighborsOfIpv6) {
  const auto result = parse(R"(
[dataplane]
cores = [1]

[[port]]
name = "wan"
device = "wan0"
addresses = ["2001:db8:1::1/64", "fe80::1/64"]

[[port]]
name = "lan"
device = "lan0"
addresses = ["2001:db8:2::1/64", "fe80::1/64"]

[[route]]
prefix = "::/0"
via = "fe80::2"
port = "wan"

[[neighbor]]
address = "fe80::2"
mac = "02:00:00:00:00:02"
port = "wan"
)");
  ASSERT_TRUE(result.config.has_value());
  const Config& config = *result.config;
  ASSERT_EQ(config.ports[1].addresses.size(), 2u);
  EXPECT_EQ(config.ports[1].addresses[0].family, Family::v6);
  EXPECT_EQ(config.ports[1].addresses[0].prefix_bits, 64);
  EXPECT_EQ(config.routes[0].prefix.family, Family::v6);
  EXPECT_EQ(address_text(Family::v6, config.routes[0].hops.at(0).via), "fe80::2");
  EXPECT_EQ(config.neighbors[0].family, Family::v6);
  EXPECT_EQ(address_text(Family::v6, config.neighbors[0].address), "fe80::2");
}

TEST(Config, ReadsTheWholeFormat) {
  const auto result = parse(kSite);
  ASSERT_TRUE(result.config.has_value());
  const Config& config = *result.config;
  EXPECT_THAT(config.cores, ElementsAre(1, 2));
  EXPECT_EQ(config.max_sas, 1000u);
  EXPECT_EQ(config.max_policies, 65536u);
  EXPECT_EQ(config.default_policy, PolicyAction::discard);
  ASSERT_EQ(config.ports.size(), 2u);
  EXPECT_EQ(config.ports[0].name, "wan");
  EXPECT_EQ(config.ports[0].kind, PortKind::linux_interface);
  EXPECT_EQ(mac_text(*config.ports[0].mac), "02:00:00:00:00:01");
  EXPECT_EQ(config.ports[1].kind, PortKind::dpdk_device);
  ASSERT_EQ(config.routes.size(), 1u);
  EXPECT_EQ(config.routes[0].prefix.prefix_bits, 16);
  EXPECT_EQ(address_text(Family::v4, config.routes[0].hops.at(0).via), "192.0.2.2");
  EXPECT_EQ(config.routes[0].hops.at(0).port, 0);
  ASSERT_EQ(config.neighbors.size(), 1u);
}

TEST(Config, BecomesAStartConfigWithTerminatedTexts) {
  const auto result = parse(kSite);
  ASSERT_TRUE(result.config.has_value());
  const StartConfig start = start_config(*result.config, "west");
  EXPECT_EQ(start.worker_count, 2u);
  EXPECT_EQ(start.worker_cores[1], 2);
  EXPECT_EQ(start.port_count, 2u);
  EXPECT_STREQ(start.ports[0].name.data(), "wan");
  EXPECT_STREQ(start.ports[1].device.data(), "0000:3b:00.0");
  EXPECT_EQ(start.ports[0].has_mac, 1);
  EXPECT_STREQ(start.instance_name.data(), "west");
  EXPECT_TRUE(region_sizes(*result.config).valid());
}

TEST(Config, TakesTheLastCoreWhenNoneIsNamed) {
  const auto result = parse(port_with(""));
  ASSERT_TRUE(result.config.has_value());
  EXPECT_THAT(result.config->cores, ElementsAre(3));
}

TEST(Config, HasWindowMemoryForTheFloorOfEverySa) {
  const auto result = parse(port_with("") + "[esp]\nreplay_window = 4096\n");
  ASSERT_TRUE(result.config.has_value());
  EXPECT_GE(result.config->window_slots, 65536ull * window_slots_for(4096));
}

TEST(Config, MakesPortsOfVlans) {
  const auto result =
      parse(port_with("mtu = 1400") + "[[port]]\nname = \"a\"\nparent = \"wan\"\nvlan = 100\n");
  ASSERT_TRUE(result.config.has_value());
  const StartConfig start = start_config(*result.config, "west");
  ASSERT_EQ(start.port_count, 2u);
  EXPECT_EQ(start.ports[1].kind, PortKind::vlan);
  EXPECT_EQ(start.ports[1].vlan, 100);
  EXPECT_EQ(start.ports[1].parent, 0);
  EXPECT_EQ(start.ports[1].mtu, 1400);
}

TEST(Config, AllowsTransformsByName) {
  EXPECT_EQ(parse(port_with("")).config->allowed_transforms, 0);
  const auto result = parse(port_with("") + "[esp]\nallow = [\"no-integrity\", \"des-cbc\"]\n");
  ASSERT_TRUE(result.config.has_value());
  EXPECT_EQ(result.config->allowed_transforms, kNeedsNoIntegrity | kNeedsDesCbc);
}

TEST(Config, ReportsEveryErrorInTheFilesOrder) {
  const auto errors = errors_of(R"([dataplane]
cores = [9]
max_sas = 0
[[port]]
name = "wan"
device = "wan0"
mtu = 12
)");
  EXPECT_THAT(errors,
              ElementsAre(HasSubstr("gw.toml:2:10: cores 9"), HasSubstr("gw.toml:3:11: max_sas 0"),
                          AllOf(HasSubstr("gw.toml:7:7: mtu 12"), HasSubstr("68 to 9600"))));
}

TEST(Config, GuessesWhatAnUnknownKeyWasMeantToBe) {
  EXPECT_THAT(errors_of(port_with("adresses = [\"192.0.2.1/24\"]")),
              ElementsAre(AllOf(HasSubstr("gw.toml:4:1: unknown key \"adresses\" in [[port]]"),
                                HasSubstr("did you mean \"addresses\"?"))));
}

TEST(Config, ListsTheKeysWhenAnUnknownOneIsLikeNone) {
  EXPECT_THAT(
      errors_of(port_with("") + "[log]\nfrobnication = 1\n"),
      ElementsAre(HasSubstr("unknown key \"frobnication\" in [log]: allowed are audit, level")));
}

TEST(Config, ListsTheKeysOfBothSortsOfPorts) {
  EXPECT_THAT(errors_of(port_with("frobnication = 1")),
              ElementsAre(HasSubstr("allowed are name, device, mac, rx_queues, ring_size, parent, "
                                    "vlan, addresses, mtu")));
}

TEST(Config, SaysWhereTheSyntaxIsWrong) {
  EXPECT_THAT(errors_of("[[port]\nname = \"wan\"\n"), ElementsAre(HasSubstr("gw.toml:1:")));
}

TEST(Config, SaysThatTheFileCannotBeRead) {
  const auto result = load_config("/nonexistent/gw.toml", kMachine);
  ASSERT_EQ(result.errors.size(), 1u);
  EXPECT_EQ(result.errors[0].text(),
            "/nonexistent/gw.toml: cannot read: No such file or directory");
}

struct Fault {
  std::string_view lines;    // of a port, or what follows one
  std::string_view message;  // a part of the one error
};

TEST(Config, RefusesWhatIsOutOfRangeAndSaysWhatIsAllowed) {
  const Fault faults[] = {
      {"mac = \"01:00:00:00:00:01\"", "must be a unicast address"},
      {"mac = \"02:00:00:00:00\"", "six pairs of hexadecimal digits"},
      {"mac = \"02:00:00:00:00:0a\"\n"
       "[[port]]\nname = \"lan\"\ndevice = \"lan0\"\nmac = \"02:00:00:00:00:0A\"",
       "gw.toml:8:7: mac \"02:00:00:00:00:0A\": port \"wan\" has it already"},
      {"[[port]]\nname = \"lo\"\ndevice = \"x\"", "lo, all, default are reserved"},
      {"[[port]]\nname = \"all\"\ndevice = \"x\"", "lo, all, default are reserved"},
      {"[[port]]\nname = \"lan\"\ndevice = \"lo\"", "the loopback interface cannot be a port"},
      {"addresses = [\"10.77.0.0/24\"]", "must be one between"},
      {"addresses = [\"10.77.0.255/24\"]", "must be one between"},
      {"addresses = [\"10.77.0.3/30\"]", "must be one between"},
      {"addresses = [\"192.0.2.1\"]", "with its prefix length"},
      {"addresses = [\"2001:db8::1\"]", "with its prefix length"},
      {"addresses = [\"2001:db8::1/129\"]", "with its prefix length"},
      {"addresses = [\"::1/128\"]", "must be a unicast address"},
      {"addresses = [\"ff02::1/64\"]", "must be a unicast address"},
      {"addresses = [\"2001:db8::1/64\", \"2001:db8::1/48\"]", "given twice"},
      {"addresses = [\"2001:db8::1/64\"]\nmtu = 1279", "must be at least 1280"},
      {"addresses = [\"127.0.0.1/8\"]", "must be a unicast address"},
      {"addresses = [\"192.0.2.1/24\", \"192.0.2.1/24\"]", "given twice"},
      {"addresses = \"192.0.2.1/24\"", "must be a list of strings"},
      {"mtu = \"1500\"", "must be a whole number, 68 to 9600 bytes"},
      {"mtu = 9601", "68 to 9600"},
      {"rx_queues = 0", "1 to 64 receive queues"},
      {"[[port]]\nname = \"wan\"\ndevice = \"wan1\"", "another port has it"},
      {"[[port]]\nname = \"lan\"\ndevice = \"wan0\"", "port \"wan\" has it already"},
      {"[[port]]\nname = \"sixteen-letters-\"\ndevice = \"x\"", "1 to 15 letters"},
      {"[[port]]\nname = \"lan\"", "[[port]]: \"device\" is missing"},
      {"[[port]]\nname = \"lan\"\ndevice = \"a name too long for it\"", "Linux interface"},
      {"[[route]]\nprefix = \"10.2.0.1/16\"\nport = \"wan\"", "did you mean \"10.2.0.0/16\"?"},
      {"[[route]]\nprefix = \"10.2.0.0/33\"\nport = \"wan\"", "must be an IPv4 or IPv6 prefix"},
      {"[[route]]\nprefix = \"2001:db8::/32\"\nvia = \"192.0.2.2\"\nport = \"wan\"",
       "must be an IPv6 address, as the prefix is"},
      {"[[route]]\nprefix = \"10.2.0.0/16\"\nvia = \"2001:db8::2\"\nport = \"wan\"",
       "must be an IPv4 address, as the prefix is"},
      {"[[neighbor]]\naddress = \"ff02::1\"\nmac = \"02:00:00:00:00:01\"\nport = \"wan\"",
       "must be a unicast IPv4 or IPv6 address"},
      {"[[route]]\nprefix = \"10.2.0.0/16\"\nport = \"van\"", "no [[port]] has this name"},
      {"[[route]]\nprefix = \"10.2.0.0/16\"", "\"port\" is missing"},
      {"addresses = [\"192.0.2.1/24\"]\n[[route]]\nprefix = \"10.2.0.0/16\"\nport = \"wan\"\n"
       "via = \"192.0.2.1\"",
       "an address of this gateway"},
      {"[[neighbor]]\naddress = \"192.0.2.2\"\nport = \"wan\"", "\"mac\" is missing"},
      {"[[port]]\nname = \"a\"\nparent = \"wan\"", "vlan: missing"},
      {"[[port]]\nname = \"a\"\nvlan = 5", "\"parent\" is missing"},
      {"[[port]]\nname = \"a\"\nparent = \"lan\"\nvlan = 5", "must be the name of a port above"},
      {"[[port]]\nname = \"a\"\nparent = \"wan\"\nvlan = 4095", "1 to 4094"},
      {"[[port]]\nname = \"a\"\nparent = \"wan\"\nvlan = 5\nmtu = 1501", "at most the parent's"},
      {"[[port]]\nname = \"a\"\nparent = \"wan\"\nvlan = 5\n"
       "[[port]]\nname = \"b\"\nparent = \"wan\"\nvlan = 5",
       "port \"a\" has it already"},
      {"[[port]]\nname = \"a\"\nparent = \"wan\"\nvlan = 5\n"
       "[[port]]\nname = \"b\"\nparent = \"a\"\nvlan = 6",
       "must be the name of a port above"},
      {"[[port]]\nname = \"a\"\nparent = \"wan\"\nvlan = 5\ndevice = \"x\"", "device"},
      {"[esp]\ndf = \"maybe\"", "must be \"copy\" or \"set\" or \"clear\""},
      {"[esp]\nnat_keepalive = 3601", "0 to 3600 seconds"},
      {"[esp]\ndummies = 1001", "0 to 1000"},
      {"[esp]\nfragment_timeout = 99", "100 to 60000"},
      {"[esp]\nreplay_window = 16", "must be 0 (none), or 32 to 32768"},
      {"[esp]\nfragment = \"never\"", "must be \"before\" or \"after\""},
      {"[esp]\nclamp_mss = 100", "must be 0 (what fits), or 536 to 9000"},
      {"[esp]\nidle_timeout = -1", "must be a whole number, 0 to 31536000"},
      {"[esp]\nreplay_window = 32768\nlarge_window_slots = 100", "needs 134217728"},
      {"[esp]\nallow = [\"des\"]", "must be \"des-cbc\" or \"no-integrity\""},
      {"[policy]\ndefault = \"accept\"", "must be \"discard\" or \"bypass\""},
      {"[dataplane]\npoll = \"lazy\"", "must be \"adaptive\" or \"busy\""},
      {"[dataplane]\ncores = []", "a list of 1 to 64 CPU numbers"},
      {"[dataplane]\ncores = [1, 1]", "named twice"},
      {"[dataplane]\nhuge_pages = 1", "must be true or false"},
      {"[dataplane]\nmax_sas = 8388608", "at most half of this machine's memory"},
      {"[dataplane]\nmbufs = 4000000", "at most half of this machine's memory"},
      {"[control]\nstate_dir = \"state\"", "must be an absolute path"},
      {"[control]\ngroup = \"no-such-group-here\"", "no such group"},
      {"[xfrm]\nbatch = [\"missing.xfrm\"]", "No such file"},
      {"[xfrm]\nbatch = [\"/tmp\"]",
       "gw.toml:5:10: batch \"/tmp\": cannot read /tmp: is a directory"},
  };
  const Machine small{.cores = {0, 1}, .memory_bytes = 4ull << 30};
  for (const Fault& fault : faults) {
    const auto errors = parse_config(port_with(fault.lines), "gw.toml", small).errors;
    ASSERT_EQ(errors.size(), 1u) << fault.lines << (errors.empty() ? "" : errors[0].text());
    EXPECT_THAT(errors[0].text(), HasSubstr(std::string(fault.message))) << fault.lines;
  }
}

TEST(Config, TakesBothAddressesOfAPointToPointNetworkAndSingleOnes) {
  for (const std::string_view address : {"10.77.0.0/31", "10.77.0.1/31", "10.77.0.0/32",
                                         "10.77.0.255/32", "10.77.0.255/16", "2001:db8::/64"}) {
    EXPECT_THAT(errors_of(port_with("addresses = [\"" + std::string(address) + "\"]")),
                ElementsAre())
        << address;
  }
}

TEST(Config, TellsDpdkDevicesFromInterfaces) {
  const std::pair<std::string, PortKind> cases[] = {
      {"eth0", PortKind::linux_interface},
      {"0000:3b:00.0", PortKind::dpdk_device},
      {"3b:00.1", PortKind::dpdk_device},
      {"net_null0", PortKind::dpdk_device},
      {"net_memif0,role=client,id=1", PortKind::dpdk_device},
      {"virtio_user0,path=/tmp/socket", PortKind::dpdk_device},
      {"enp59s0f0", PortKind::linux_interface},
  };
  for (const auto& [device, kind] : cases) {
    const auto result = parse("[[port]]\nname = \"wan\"\ndevice = \"" + device + "\"\n");
    ASSERT_TRUE(result.config.has_value()) << device;
    EXPECT_EQ(result.config->ports[0].kind, kind) << device;
  }
}

TEST(Config, FindsBatchFilesBesideItself) {
  const auto folder = std::filesystem::path(testing::TempDir()) / "culvert_config_test";
  std::filesystem::create_directories(folder);
  std::ofstream(folder / "site.xfrm") << "\n";
  const auto result =
      parse_config(port_with("[xfrm]\nbatch = [\"site.xfrm\"]"), folder / "gw.toml", kMachine);
  ASSERT_TRUE(result.config.has_value());
  EXPECT_THAT(result.config->batch_files, ElementsAre(folder / "site.xfrm"));
  std::filesystem::remove_all(folder);
}

}  // namespace
}  // namespace culvert
