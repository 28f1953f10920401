// SPDX-License-Identifier: BSD-3-Clause
#include "control/xfrm/batch.h"

#include <errno.h>
#include <gmock/gmock.h>
#include <spdlog/sinks/ostream_sink.h>
#include <spdlog/spdlog.h>

#include <fstream>
#include <sstream>
#include <string>
#include <vector>

#include "control/error_lines.h"
#include "tests/unit/control/xfrm/xfrm_fixture.h"

namespace culvert::test {
namespace {

using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::EndsWith;
using ::testing::HasSubstr;
using ::testing::Not;

constexpr char kFirst[] =
    "xfrm state add src 192.0.2.1 dst 192.0.2.2 proto esp spi 0x1001 reqid 1 mode tunnel "
    "aead rfc4106(gcm(aes)) 0x0102030405060708091011121314151617181920 128\n";
constexpr char kSecond[] =
    "xfrm state add src 192.0.2.2 dst 192.0.2.1 proto esp spi 0x1002 reqid 1 mode tunnel "
    "aead rfc4106(gcm(aes)) 0x0202030405060708091011121314151617181920 128\n";
constexpr char kPolicy[] =
    "xfrm policy add src 10.1.0.0/16 dst 10.2.0.0/16 dir out "
    "tmpl src 192.0.2.1 dst 192.0.2.2 proto esp reqid 1 mode tunnel\n";

class Batch : public XfrmFixture {
 protected:
  Result<void> load(const std::vector<std::string>& texts) {
    std::vector<std::filesystem::path> files;
    for (const std::string& text : texts) {
      files.push_back(directory() / ("batch" + std::to_string(files.size() + 1)));
      std::ofstream(files.back()) << text;
    }
    return xfrm::load_batches(manager(), files);
  }
};

TEST_F(Batch, LoadsStatesAndPolicies) {
  const auto loaded = load({std::string(kFirst) + kSecond, kPolicy});
  ASSERT_TRUE(loaded) << loaded.error().message;
  EXPECT_EQ(manager().sad_counts().sas, 2u);
  EXPECT_EQ(manager().spd_counts().policies[1], 1u);
  const auto sa = manager().next_sa(SaIndex{0});
  ASSERT_TRUE(sa);
  EXPECT_EQ(sa->origin, SaOrigin::manual);
}

TEST_F(Batch, MayBeLoadedAgain) {
  ASSERT_TRUE(load({std::string(kFirst) + kSecond + kPolicy}));
  const auto again = load({std::string(kFirst) + kSecond + kPolicy});
  ASSERT_TRUE(again) << again.error().message;
  EXPECT_EQ(manager().sad_counts().sas, 2u);
}

TEST_F(Batch, ARefusedLineUndoesAllFilesAndIsNamed) {
  const auto loaded =
      load({kFirst, std::string("# keys\n") + kSecond +
                        "xfrm state add src 192.0.2.1 dst 192.0.2.2 proto esp spi 0x20 mode tunnel "
                        "aead rfc4106(gcm(aes)) 0x0302030405060708091011121314151617181920 128\n"});
  ASSERT_FALSE(loaded);
  EXPECT_THAT(loaded.error().message, HasSubstr("/batch2:3: "));
  EXPECT_THAT(loaded.error().message, HasSubstr("spi 0x20: reserved"));
  EXPECT_THAT(loaded.error().message, Not(HasSubstr("03020304")));
  EXPECT_EQ(manager().sad_counts().sas, 0u);
  EXPECT_EQ(manager().spd_counts().policies[1], 0u);
}

TEST_F(Batch, ALineThatIproute2CannotParseIsNamedToo) {
  const auto loaded = load({std::string(kFirst) + "\nxfrm policy add dir sideways\n"});
  ASSERT_FALSE(loaded);
  EXPECT_THAT(loaded.error().message, HasSubstr("/batch1:3: "));
  EXPECT_THAT(loaded.error().message, HasSubstr("sideways"));
  EXPECT_EQ(manager().sad_counts().sas, 0u);
}

constexpr char kReserved[] =
    "xfrm state add src 192.0.2.1 dst 192.0.2.2 proto esp spi 0x20 mode tunnel "
    "aead rfc4106(gcm(aes)) 0x0302030405060708091011121314151617181920 128\n";

TEST_F(Batch, AllLinesWithFaultsAreNamed) {
  const auto loaded = load({std::string(kFirst) + kReserved + "xfrm policy add dir sideways\n" +
                                kPolicy + "route list\n" + "xfrm state add \\\n spi zz\n",
                            kSecond, kReserved});
  ASSERT_FALSE(loaded);
  EXPECT_THAT(error_lines(loaded.error().message),
              ElementsAre(HasSubstr("/batch1:2: Error: spi 0x20: reserved"),
                          HasSubstr("/batch1:3: Error: argument \"sideways\""),
                          HasSubstr("/batch1:5: \"route list\": only"),
                          HasSubstr("/batch1:7: Error: argument \"zz\""),
                          HasSubstr("/batch3:1: Error: spi 0x20: reserved")));
  EXPECT_EQ(manager().sad_counts().sas, 0u);
  EXPECT_EQ(manager().spd_counts().policies[1], 0u);
}

TEST_F(Batch, ReadingEndsWhenFaultsAreMany) {
  std::string text;
  for (int i = 0; i < 60; ++i) text += "xfrm policy add dir sideways\n";
  const auto loaded = load({text, text});
  ASSERT_FALSE(loaded);
  const auto lines = error_lines(loaded.error().message);
  ASSERT_EQ(lines.size(), 51u);
  EXPECT_THAT(lines[49], HasSubstr("/batch1:50: "));
  EXPECT_THAT(lines[50], HasSubstr("there may be more"));
}

TEST_F(Batch, AKeyInAnAlgorithmsPlaceIsNotShown) {
  const std::string key = "0x0102030405060708091011121314151617181920";
  const std::string sa = "xfrm state add src 192.0.2.1 dst 192.0.2.2 proto esp spi 0x1001 ";
  const std::string letters = "abcdefghijklmnopqrst";
  for (const std::string& algorithm :
       {"aead " + key + " rfc4106(gcm(aes)) 128", "aead " + key + " " + key + " 128",
        "aead " + letters + " " + letters + " 128", "enc " + key + " " + key,
        "enc cbc(aes) " + key + " auth " + letters + " " + key, "aead " + key + key + " x 128",
        "aead rfc4106(gcm(aes)) 128 " + key, "mode tunnel " + key}) {
    const auto loaded = load({sa + algorithm + "\n"});
    ASSERT_FALSE(loaded) << algorithm;
    EXPECT_THAT(loaded.error().message, AllOf(HasSubstr("/batch1:1: "), Not(HasSubstr("01020304")),
                                              Not(HasSubstr("abcdefgh"))))
        << algorithm;
  }
}

TEST_F(Batch, AMalformedKeyIsNotShown) {
  const auto loaded =
      load({"xfrm state add src 192.0.2.1 dst 192.0.2.2 proto esp spi 0x1001 "
            "aead rfc4106(gcm(aes)) 0x01020304050607080910111213141516171819zz "
            "128\n"});
  ASSERT_FALSE(loaded);
  EXPECT_THAT(loaded.error().message, HasSubstr("/batch1:1: "));
  EXPECT_THAT(loaded.error().message, Not(HasSubstr("01020304")));
}

// What is logged while it lives.
class LogText {
 public:
  LogText() : before_(spdlog::default_logger()) {
    auto sink = std::make_shared<spdlog::sinks::ostream_sink_mt>(text_);
    spdlog::set_default_logger(std::make_shared<spdlog::logger>("test", std::move(sink)));
  }
  LogText(const LogText&) = delete;
  LogText& operator=(const LogText&) = delete;
  ~LogText() { spdlog::set_default_logger(before_); }
  [[nodiscard]] std::string text() const { return text_.str(); }

 private:
  std::shared_ptr<spdlog::logger> before_;
  std::ostringstream text_;
};

TEST_F(Batch, AFileWithKeysThatOthersMayReadIsNamedWithTheRemedy) {
  const std::filesystem::path file = directory() / "open";
  std::ofstream(file) << kSecond;
  const std::vector<std::filesystem::path> files{file};
  for (const unsigned mode : {0644u, 0640u, 0602u, 0600u}) {
    std::filesystem::permissions(file, std::filesystem::perms{mode});
    const LogText log;
    ASSERT_TRUE(xfrm::load_batches(manager(), files));
    const std::string remedy = "chmod 600 " + file.string();
    EXPECT_EQ(log.text().find(remedy) != std::string::npos, mode != 0600) << log.text();
  }
}

TEST_F(Batch, AFileWithoutKeysMayBeReadByAll) {
  const std::filesystem::path file = directory() / "open";
  std::ofstream(file) << kPolicy;
  std::filesystem::permissions(file, std::filesystem::perms{0644});
  const std::vector<std::filesystem::path> files{file};
  const LogText log;
  ASSERT_TRUE(xfrm::load_batches(manager(), files));
  EXPECT_EQ(log.text(), "");
}

TEST_F(Batch, AMissingFileIsNamed) {
  const std::vector<std::filesystem::path> files{directory() / "nothing"};
  const auto loaded = xfrm::load_batches(manager(), files);
  ASSERT_FALSE(loaded);
  EXPECT_EQ(loaded.error().code, ENOENT);
  EXPECT_THAT(loaded.error().message, EndsWith("/nothing: No such file or directory"));
}

TEST_F(Batch, RefusesAFileAboveTheLargestSize) {
  const std::filesystem::path file = directory() / "large";
  std::ofstream(file) << kFirst;
  std::filesystem::resize_file(file, (256u << 20) + 1);  // a hole, which takes no room
  const std::vector<std::filesystem::path> files{file};
  const auto loaded = xfrm::load_batches(manager(), files);
  ASSERT_FALSE(loaded);
  EXPECT_EQ(loaded.error().code, EFBIG);
  EXPECT_THAT(loaded.error().message, EndsWith("longer than the 256 MiB that are allowed"));
}

}  // namespace
}  // namespace culvert::test
