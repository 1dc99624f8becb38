// The last good topology on disk: it comes back whole, or it is told why it does not.
#include <gtest/gtest.h>
#include <sys/stat.h>

#include "geo/base/text.h"
#include "geo/io/file.h"
#include "temp_dir.h"

namespace geo::io {
namespace {

const WallTime kTime = *parse_time("2027-01-15T08:00:00.123Z");

place::Rows some_rows() {
  place::Rows rows;
  rows.groups = {{"eu", place::Coordinates{50.11, 8.68}, "DE", {}, {}}};
  rows.places = {{"DE", "", "Frankfurt \"am\" Main", "eu"}};
  rows.nodes.resize(1);
  rows.nodes[0].id = rows.nodes[0].host = "n1";
  rows.nodes[0].group = "eu";
  return rows;
}

std::string read(const std::filesystem::path& file) {
  std::ifstream in(file, std::ios::binary);
  return {std::istreambuf_iterator<char>(in), {}};
}

std::string why_not(const std::filesystem::path& file) {
  const auto last = read_last_good(file);
  if (last) return "it can be used";
  std::string why = last.error().why;
  EXPECT_TRUE(why.starts_with(file.string())) << why;
  return why.substr(std::min(why.size(), file.string().size()));
}

TEST(LastGood, ComesBackAsItWasSaved) {
  const test::TempDir dir;
  const auto file = dir.path() / "state" / "topology-0a1b2c3d.toml";
  ASSERT_TRUE(save_last_good(file, some_rows(), "7", "9f", kTime));
  const std::string text = read(file);
  EXPECT_TRUE(text.starts_with("# last_good = { version = \"7\", stamp = \"9f\", time = 2027-01-15T08:00:00.123Z }\n"))
      << text;
  EXPECT_EQ(std::filesystem::status(file).permissions(), std::filesystem::perms(0600)) << "checks may hold passwords";
  auto last = read_last_good(file);
  ASSERT_TRUE(last) << last.error().why;
  EXPECT_EQ(last->rows, some_rows());
  EXPECT_EQ(last->version, "7");
  EXPECT_EQ(last->stamp, "9f");
  EXPECT_EQ(last->time, kTime);

  place::Rows more = some_rows();
  more.groups.push_back({"ap", {}, "", {}, {}});
  ASSERT_TRUE(save_last_good(file, more, "8\"\n# sha256 = \\", "\x01", kTime));
  last = read_last_good(file);
  ASSERT_TRUE(last) << last.error().why;
  EXPECT_EQ(last->rows.groups.size(), 2U);
  EXPECT_EQ(last->version, "8\"\n# sha256 = \\");
  EXPECT_EQ(last->stamp, "\x01");
}

TEST(LastGood, TornAtAnyByteIsNoticed) {
  const test::TempDir dir;
  const auto file = dir.path() / "t.toml";
  ASSERT_TRUE(save_last_good(file, some_rows(), "7", "9f", kTime));
  const std::string whole = read(file);
  for (std::size_t size = 0; size < whole.size(); ++size) {
    dir.write("t.toml", whole.substr(0, size));
    ASSERT_EQ(why_not(file), ": is torn: its last line is not the digest of what stands before it") << size;
  }
  for (std::size_t i = 0; i < whole.size(); ++i) {
    std::string changed = whole;
    changed[i] = static_cast<char>(changed[i] ^ 0x01);
    dir.write("t.toml", changed);
    ASSERT_NE(why_not(file), "it can be used") << i;
  }
  for (const std::string more : {"\n", "#", "x"}) {
    dir.write("t.toml", whole + more);
    EXPECT_NE(why_not(file), "it can be used");
  }
  dir.write("t.toml", whole);
  EXPECT_EQ(why_not(file), "it can be used");
}

TEST(LastGood, AFileOfAnotherKindIsNotUsed) {
  const test::TempDir dir;
  EXPECT_EQ(why_not(dir.write("t.toml", topology_text(some_rows()))), ": is no last good topology");
  EXPECT_EQ(why_not(dir.write("t.toml",
                              "\x7f"
                              "ELF")),
            ": is no last good topology");
  EXPECT_EQ(why_not(dir.path()), ": is a directory, expected a TOML file");
  // no writer will ever come
  ASSERT_EQ(::mkfifo((dir.path() / "fifo").c_str(), 0600), 0);
  EXPECT_EQ(why_not(dir.path() / "fifo"), ": is no regular file");
}

TEST(LastGood, AMissingFileIsToldApart) {
  const test::TempDir dir;
  const auto last = read_last_good(dir.path() / "t.toml");
  ASSERT_FALSE(last);
  EXPECT_TRUE(last.error().missing);
  EXPECT_EQ(why_not(dir.path() / "t.toml"), ": no such file");
  dir.write("t.toml", "");
  EXPECT_FALSE(read_last_good(dir.path() / "t.toml").error().missing);
}

// Whole, but from a geod that knew other keys, or rows that contradict each other.
TEST(LastGood, ContentThatDoesNotHoldIsNotUsed) {
  const test::TempDir dir;
  const auto signed_text = [](std::string text) {
    const Digest digest = sha256(text);
    return text + "# sha256 = " + hex(digest.data(), digest.size()) + "\n";
  };
  const std::string head = "# last_good = { version = \"7\", stamp = \"9f\", time = 2027-01-15T08:00:00Z }\n";
  EXPECT_EQ(why_not(dir.write("t.toml", signed_text(head))), "it can be used");
  EXPECT_EQ(why_not(dir.write("t.toml", signed_text(head + "[[nodes]]\nid = \"n\"\nhost = \"n\"\ngroup = \"x\"\n"))),
            ":5:9: nodes.group: no group \"x\"");
  EXPECT_EQ(why_not(dir.write("t.toml", signed_text(head + "[[nodes\n"))).substr(0, 3), ":2:");
  EXPECT_EQ(why_not(dir.write("t.toml", signed_text("# last_good = { version = \"7\", stamp = 9 }\n"))).substr(0, 3),
            ":1:");
  EXPECT_EQ(why_not(dir.write("t.toml", signed_text("# last_good = { version = ]\n"))).substr(0, 3), ":1:");
}

TEST(LastGood, ADirectoryThatCannotBeWrittenIsTold) {
  const test::TempDir dir;
  const auto file = dir.write("file", "") / "t.toml";
  const auto saved = save_last_good(file, some_rows(), "7", "9f", kTime);
  ASSERT_FALSE(saved);
  EXPECT_TRUE(saved.error().starts_with(file.parent_path().string())) << saved.error();
  const auto locked = FileLock::take(file);
  ASSERT_FALSE(locked);
  EXPECT_TRUE(locked.error().why.starts_with(file.string())) << locked.error().why;
  EXPECT_FALSE(locked.error().elsewhere);
}

TEST(FileLock, OneHoldsItAtATime) {
  const test::TempDir dir;
  const auto file = dir.path() / "state" / "t.toml";
  {
    const auto first = FileLock::take(file);
    ASSERT_TRUE(first) << first.error().why;
    const auto second = FileLock::take(file);
    ASSERT_FALSE(second);
    EXPECT_EQ(second.error().why, file.string() + ".lock: another process holds this lock");
    EXPECT_TRUE(second.error().elsewhere);
    EXPECT_TRUE(FileLock::take(dir.path() / "state" / "other.toml"));
  }
  auto third = FileLock::take(file);
  ASSERT_TRUE(third) << third.error().why;
  const FileLock moved = std::move(*third);
  EXPECT_FALSE(FileLock::take(file));
}

}  // namespace
}  // namespace geo::io
