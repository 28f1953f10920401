// SPDX-License-Identifier: BSD-3-Clause
#include "control/key_floors.h"

#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>

namespace culvert {
namespace {

class KeyFloorsTest : public ::testing::Test {
 protected:
  KeyFloorsTest() {
    std::string name = ::testing::TempDir() + "culvert-floors-XXXXXX";
    folder_ = mkdtemp(name.data());
  }
  ~KeyFloorsTest() override { std::filesystem::remove_all(folder_); }

  [[nodiscard]] std::string file() const { return (folder_ / "state" / "floors").string(); }
  [[nodiscard]] std::string content() const {
    std::ifstream stream(file());
    return {std::istreambuf_iterator<char>(stream), {}};
  }
  [[nodiscard]] std::uint64_t reserve(KeyFloors& floors, char key) {
    const std::array<std::byte, 20> bytes{std::byte(key)};
    return *floors.reserve(*floors.name_of(bytes));
  }
  void note_use(KeyFloors& floors, char key, std::uint64_t used) {
    const std::array<std::byte, 20> bytes{std::byte(key)};
    floors.note_use(*floors.name_of(bytes), used);
  }

  std::filesystem::path folder_;
};

TEST_F(KeyFloorsTest, StartsEachKeyBehindWhatWasReservedBefore) {
  {
    KeyFloors floors(FloorStorage::file, file());
    EXPECT_EQ(reserve(floors, 'a'), 0u);
    ASSERT_TRUE(floors.save());
  }
  KeyFloors floors(FloorStorage::file, file());
  EXPECT_EQ(reserve(floors, 'a'), KeyFloors::kReserve);
  EXPECT_EQ(reserve(floors, 'b'), 0u);
}

TEST_F(KeyFloorsTest, ReadOnlySaysWhereAKeyWouldStartAndWritesNothing) {
  {
    KeyFloors floors(FloorStorage::file, file());
    static_cast<void>(reserve(floors, 'a'));
    ASSERT_TRUE(floors.save());
  }
  const std::string before = content();
  KeyFloors floors(FloorStorage::read_only, file());
  EXPECT_EQ(reserve(floors, 'a'), KeyFloors::kReserve);
  EXPECT_EQ(reserve(floors, 'b'), 0u);
  ASSERT_TRUE(floors.save());
  EXPECT_EQ(content(), before);
}

TEST_F(KeyFloorsTest, WritesAFileThatOnlyItsOwnerReads) {
  KeyFloors floors(FloorStorage::file, file());
  static_cast<void>(reserve(floors, 'a'));
  ASSERT_TRUE(floors.save());
  struct stat status {};
  ASSERT_EQ(stat(file().c_str(), &status), 0);
  EXPECT_EQ(status.st_mode & 0777, 0600u);
  EXPECT_EQ(content().find("culvert-floors 1\nsalt "), 0u);
}

TEST_F(KeyFloorsTest, RaisesAFloorBeforeItIsReached) {
  KeyFloors floors(FloorStorage::file, file());
  static_cast<void>(reserve(floors, 'a'));
  ASSERT_TRUE(floors.save());
  const std::string before = content();
  note_use(floors, 'a', 1000);
  ASSERT_TRUE(floors.save());
  EXPECT_EQ(content(), before) << "there is plenty left";
  note_use(floors, 'a', KeyFloors::kReserve - 10);
  ASSERT_TRUE(floors.save());
  KeyFloors next(FloorStorage::file, file());
  EXPECT_GE(reserve(next, 'a'), KeyFloors::kReserve - 10 + KeyFloors::kReserve);
}

TEST_F(KeyFloorsTest, ReservesMoreForAKeyInAHurry) {
  KeyFloors floors(FloorStorage::file, file());
  static_cast<void>(reserve(floors, 'a'));
  constexpr std::uint64_t kPerPoll = 10'000'000;
  std::size_t writes = 0;
  std::string last = content();
  for (std::uint64_t i = 1; i <= 32; ++i) {
    note_use(floors, 'a', i * kPerPoll);
    ASSERT_TRUE(floors.save());
    if (content() != last) ++writes;
    last = content();
  }
  EXPECT_LE(writes, 5u);
}

TEST_F(KeyFloorsTest, AppendsWhatChangesAndTakesTheLastLineOfAKey) {
  KeyFloors floors(FloorStorage::file, file());
  static_cast<void>(reserve(floors, 'a'));
  ASSERT_TRUE(floors.save());
  const std::string before = content();
  static_cast<void>(reserve(floors, 'b'));
  static_cast<void>(reserve(floors, 'a'));
  ASSERT_TRUE(floors.save());
  EXPECT_EQ(content().find(before), 0u);
  EXPECT_GT(content().size(), before.size());
  KeyFloors next(FloorStorage::file, file());
  EXPECT_EQ(reserve(next, 'a'), 2 * KeyFloors::kReserve);
  EXPECT_EQ(reserve(next, 'b'), KeyFloors::kReserve);
}

TEST_F(KeyFloorsTest, WritesTheFileAnewWhenMostOfItsLinesAreVoid) {
  KeyFloors floors(FloorStorage::file, file());
  std::size_t longest = 0;
  for (int i = 0; i < 5000; ++i) {
    static_cast<void>(reserve(floors, 'a'));
    ASSERT_TRUE(floors.save());
    longest = std::max(longest, content().size());
  }
  EXPECT_LT(longest, 1100u * 60);
  KeyFloors next(FloorStorage::file, file());
  EXPECT_EQ(reserve(next, 'a'), 5000 * KeyFloors::kReserve);
}

TEST_F(KeyFloorsTest, OverlooksALastLineThatWasCutOff) {
  {
    KeyFloors floors(FloorStorage::file, file());
    static_cast<void>(reserve(floors, 'a'));
    ASSERT_TRUE(floors.save());
  }
  std::ofstream(file(), std::ios::app) << "0123456789ab";
  {
    KeyFloors floors(FloorStorage::file, file());
    EXPECT_EQ(reserve(floors, 'a'), KeyFloors::kReserve);
    ASSERT_TRUE(floors.save());
  }
  KeyFloors floors(FloorStorage::file, file());
  EXPECT_EQ(reserve(floors, 'a'), 2 * KeyFloors::kReserve);
}

TEST_F(KeyFloorsTest, GivesBackTheReserveOfAKeyThatIsSettled) {
  const std::array<std::byte, 20> key{std::byte('a')};
  {
    KeyFloors floors(FloorStorage::file, file());
    static_cast<void>(reserve(floors, 'a'));
    ASSERT_TRUE(floors.save());
    floors.settle(*floors.name_of(key), 7);
    ASSERT_TRUE(floors.save());
  }
  KeyFloors floors(FloorStorage::file, file());
  EXPECT_EQ(reserve(floors, 'a'), 7u);
}

TEST_F(KeyFloorsTest, RefusesADamagedLineInTheMiddle) {
  std::filesystem::create_directories(folder_ / "state");
  const std::string salt(64, '0');
  std::ofstream(file()) << "culvert-floors 1\nsalt " << salt << "\nzz 1\n";
  KeyFloors floors(FloorStorage::file, file());
  const std::array<std::byte, 20> key{};
  const auto name = floors.name_of(key);
  ASSERT_FALSE(name);
  EXPECT_NE(name.error().message.find(":3: damaged"), std::string::npos);
}

TEST_F(KeyFloorsTest, RefusesADamagedFile) {
  std::filesystem::create_directories(folder_ / "state");
  std::ofstream(file()) << "culvert-floors 1\nsalt zz\n";
  KeyFloors floors(FloorStorage::file, file());
  const std::array<std::byte, 20> key{};
  const auto name = floors.name_of(key);
  ASSERT_FALSE(name);
  EXPECT_NE(name.error().message.find(":2: damaged"), std::string::npos);
}

TEST_F(KeyFloorsTest, SaysWhyAFolderWillNotDo) {
  KeyFloors floors(FloorStorage::file, "/proc/nowhere/floors");
  const std::array<std::byte, 20> key{};
  const auto name = floors.name_of(key);
  ASSERT_TRUE(name);
  ASSERT_TRUE(floors.reserve(*name));
  const Result<void> saved = floors.save();
  ASSERT_FALSE(saved);
  EXPECT_NE(saved.error().message.find("/proc/nowhere/floors"), std::string::npos);
}

TEST_F(KeyFloorsTest, InMemoryWritesNothing) {
  KeyFloors floors(FloorStorage::in_memory, file());
  EXPECT_EQ(reserve(floors, 'a'), 0u);
  ASSERT_TRUE(floors.save());
  EXPECT_FALSE(std::filesystem::exists(file()));
}

}  // namespace
}  // namespace culvert
