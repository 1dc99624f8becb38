#include <gtest/gtest.h>
#include <sys/stat.h>

#include <fstream>
#include <iterator>
#include <random>

#include "geo/base/text.h"
#include "geo/io/mmdb.h"
#include "io/mmdb/kept.h"
#include "mmdb_addresses.h"
#include "mmdb_reference.h"
#include "mmdb_writer.h"
#include "scratch.h"

namespace geo::io {
namespace {

using mmdb::Table;
using test::flat_record;
using test::geoip2_record;
using test::MmdbPlace;
using test::MmdbWriter;

const MmdbPlace kMoscow{"RU",      "MOW", {{"en", "Moscow"}}, {{"en", "Moscow"}, {"ru", "Москва"}}, "55.7522",
                        "37.6156", ""};
const MmdbPlace kTokyo{"JP", "13", {{"en", "Tokyo"}}, {{"en", "Tokyo"}}, "35.6895", "139.6917", ""};

std::string content_of(const std::filesystem::path& file) {
  std::ifstream in(file, std::ios::binary);
  return {std::istreambuf_iterator<char>(in), {}};
}

class Kept : public testing::Test {
 protected:
  Kept() {
    MmdbWriter writer;
    writer.insert("198.18.0.0/15", geoip2_record(kMoscow));
    writer.insert("198.51.100.128/25", geoip2_record({"FR", "", {}, {}, "", "", ""}));
    writer.insert("2001:db8::/32", geoip2_record(kTokyo));
    writer.insert("2001:db8:ffff:ffff:ffff:ffff:ffff:ffff/128", geoip2_record(kMoscow));
    writer.alias("2002::/16", "0.0.0.0/0");
    scratch_.write("city.mmdb", writer.bytes());
  }

  std::shared_ptr<const CityIndex> build(std::string_view language = "en") {
    auto built = CityIndex::build(file_, language);
    if (!built) throw std::runtime_error(built.error());
    return std::move(*built);
  }
  // The file that it is kept in.
  std::string keep() {
    const auto kept = build()->keep(kept_);
    if (!kept) throw std::runtime_error(kept.error());
    return content_of(kept_);
  }
  // What reading the kept one comes to: "" where it serves, "none", or why not.
  std::string fault(std::string_view language = "en") {
    const auto read = CityIndex::read(kept_, file_, language);
    if (read) return *read == nullptr ? "none" : "";
    const std::string prefix = kept_.string() + ": ";
    EXPECT_EQ(read.error().substr(0, prefix.size()), prefix);
    return read.error().substr(prefix.size());
  }
  std::string fault_of(std::string bytes) {
    scratch_.write("city.index", bytes);
    return fault();
  }
  // With the digest of what it says now.
  static std::string sealed(std::string bytes) {
    const std::size_t end = bytes.size() - sizeof(mmdb::Source);
    const mmdb::Source digest = mmdb::source_of(std::string_view(bytes).substr(0, end), {});
    return bytes.replace(end, digest.size(), reinterpret_cast<const char*>(digest.data()), digest.size());
  }

  static constexpr std::size_t kHead = 104;

  test::Scratch scratch_;
  const std::filesystem::path file_ = scratch_ / "city.mmdb", kept_ = scratch_ / "city.index";
};

TEST_F(Kept, AnswersAsTheOneThatWasBuilt) {
  for (const std::uint16_t ip_version : {4, 6}) {
    MmdbWriter writer({.database_type = "city", .ip_version = ip_version});
    for (std::size_t i = 0; i < 20'000; ++i)
      writer.insert((std::to_string(1 + i / 256) + "." + std::to_string(i % 256) + "." + std::to_string(i % 7 * 16) +
                     "." + std::to_string(i % 3 * 64) + "/" + std::to_string(26 + i % 7 % 5))
                        .c_str(),
                    flat_record({"DE",
                                 "",
                                 {{"en", "Land " + std::to_string(i % 16)}},
                                 {{"en", "City " + std::to_string(i % 900)}},
                                 i % 9 == 0 ? "" : "50.1",
                                 "8.7",
                                 ""}));
    if (ip_version == 6) {
      for (std::size_t i = 0; i < 3000; ++i)
        writer.insert(("2001:db8:" + std::to_string(i) + (i % 3 == 0 ? "::/48" : "::1:0/112")).c_str(),
                      geoip2_record(i % 2 == 0 ? kMoscow : kTokyo));
      writer.alias("2002::/16", "0.0.0.0/0");
    }
    scratch_.write("city.mmdb", writer.bytes());
    const auto built = build();
    EXPECT_FALSE(built->is_kept());
    ASSERT_TRUE(built->keep(kept_));
    EXPECT_TRUE(built->is_kept());
    const auto read = CityIndex::read(kept_, file_, "en");
    ASSERT_TRUE(read) << read.error();
    ASSERT_NE(*read, nullptr);
    EXPECT_TRUE((*read)->is_kept());

    const MmdbInfo ours = (*read)->info(), theirs = built->info();
    EXPECT_EQ(std::tie(ours.path, ours.type, ours.build_epoch_s, ours.ip_version, ours.networks),
              std::tie(theirs.path, theirs.type, theirs.build_epoch_s, theirs.ip_version, theirs.networks));
    EXPECT_GT(ours.bytes, 0U);
    ASSERT_EQ((*read)->places(), built->places());
    for (CityIndex::PlaceId id = 0; id < built->places(); ++id) ASSERT_EQ((*read)->place(id), built->place(id));
    const test::MmdbReference reference(file_);
    test::MmdbAddresses draw(reference);
    for (std::size_t i = 0; i < 50'000; ++i) {
      const Ip ip = i % 4 == 0 ? draw.anywhere_v4() : i % 4 == 1 ? draw.anywhere_v6() : draw.inside(i % 4 == 2);
      ASSERT_EQ((*read)->find(ip), built->find(ip)) << ip.to_string();
    }
  }
}

TEST_F(Kept, IsOfThatContentAndLanguageAlone) {
  EXPECT_EQ(fault(), "none") << "nothing is kept yet";
  keep();
  EXPECT_EQ(fault(), "");
  EXPECT_EQ(fault("ru"), "none");
  std::string other = content_of(file_);
  other.replace(other.find("Tokyo"), 5, "Kyoto");
  scratch_.write("city.mmdb", other);
  EXPECT_EQ(fault(), "none") << "of the same size";
  std::filesystem::rename(scratch_.write("elsewhere", content_of(file_)), file_);
  EXPECT_EQ(fault(), "none");
  other.replace(other.find("Kyoto"), 5, "Tokyo");
  scratch_.write("city.mmdb", other);
  EXPECT_EQ(fault(), "") << "however often it was written";
  std::filesystem::remove(file_);
  EXPECT_EQ(fault(), "none") << "whoever builds it says what is wrong";
}

TEST_F(Kept, IsNobodyElsesToRead) {
  keep();
  struct stat info {};
  ASSERT_EQ(::stat(kept_.c_str(), &info), 0);
  EXPECT_EQ(info.st_mode & 07777U, 0600U);
}

TEST_F(Kept, MakesItsDirectoryAndTellsWhereItCannot) {
  EXPECT_TRUE(build()->keep(scratch_ / "state" / "deep" / "city.index"));
  const auto index = build();
  const auto kept = index->keep(file_ / "city.index");
  ASSERT_FALSE(kept);
  EXPECT_TRUE(kept.error().starts_with(file_.string())) << kept.error();
  EXPECT_FALSE(index->is_kept());
}

TEST_F(Kept, IsOfNoOtherFormat) {
  std::string bytes = keep();
  bytes[8] = static_cast<char>(bytes[8] + 1);
  EXPECT_EQ(fault_of(sealed(bytes)), "none") << "of a geod before or after this one";
  EXPECT_EQ(fault_of("[[nodes]]\n"), "is cut short");
  EXPECT_EQ(fault_of(std::string(200, 'x')), "is no index of a city database");
}

// Whoever changes how records are read, or what the table looks like, would find the old answers kept.
TEST_F(Kept, HoldsWhatItsFormatSays) {
  MmdbWriter writer;
  writer.insert("198.18.0.0/15", geoip2_record(kMoscow));
  writer.insert("198.51.100.0/24",
                flat_record({"DE", "", {{"en", "Hessen"}}, {{"en", "Frankfurt"}}, "50.11", "8.68", ""}));
  writer.insert("198.51.101.0/24", flat_record({"FR", "", {}, {{"en", " "}}, "", "", ""}));
  writer.insert("2001:db8::/32", geoip2_record({"JP", "13", {{"de", "Tokio"}}, {{"de", "Tokio"}}, "91", "0", ""}));
  writer.alias("2002::/16", "0.0.0.0/0");
  scratch_.write("city.mmdb", writer.bytes());
  ASSERT_TRUE(build("ru")->keep(kept_));
  const std::string bytes = content_of(kept_);
  const std::string_view parts = std::string_view(bytes).substr(kHead, bytes.size() - kHead - sizeof(mmdb::Source));
  const mmdb::Source digest = mmdb::source_of(parts, {});
  EXPECT_EQ(hex(digest.data(), digest.size()), "8fa2ba373a1bc8136e8f5e8f3b403d7d")
      << "an index has changed: raise kFormat in src/io/mmdb/kept.cpp, and put its new digest here";
}

TEST_F(Kept, IsRefusedWhereItIsCutShortOrLonger) {
  const std::string bytes = keep();
  for (std::size_t size = 0; size < bytes.size(); size += 1 + bytes.size() / 200)
    EXPECT_TRUE(fault_of(bytes.substr(0, size)).starts_with("is ")) << size;
  EXPECT_EQ(fault_of(bytes.substr(0, bytes.size() - 1)), "is not of the size that it says");
  EXPECT_EQ(fault_of(bytes + "x"), "is not of the size that it says");
}

TEST_F(Kept, IsRefusedWhereAByteHasChanged) {
  const std::string bytes = keep();
  std::mt19937 dice(1);
  for (int i = 0; i < 400; ++i) {
    const std::size_t near = i < 200 ? 1000 : bytes.size();  // half of them where the places and the digest are
    const std::size_t at = i < static_cast<int>(kHead) ? static_cast<std::size_t>(i) : bytes.size() - 1 - dice() % near;
    std::string changed = bytes;
    changed[at] = static_cast<char>(changed[at] ^ (1 << dice() % 8));
    EXPECT_NE(fault_of(changed), "") << "byte " << at;
  }
}

// Who writes a digest of their own decides what is answered, but not what memory is read.
TEST_F(Kept, AnswersWithinItsPlacesWhateverItSays) {
  const std::string bytes = keep();
  const std::size_t nodes_at = kHead + std::string("GeoLite2-City").size() + 2 * 65536 * 4;
  std::mt19937 dice(1);
  std::size_t served = 0;
  for (int i = 0; i < 1000; ++i) {
    std::string changed = bytes;
    for (unsigned edits = 1 + dice() % 3; edits > 0; --edits) {
      const std::size_t at = nodes_at - 64 + dice() % (bytes.size() - nodes_at + 48);
      const std::uint16_t to =
          dice() % 2 == 0 ? static_cast<std::uint16_t>(dice()) : static_cast<std::uint16_t>(dice() % 40);
      std::memcpy(changed.data() + std::min(at, bytes.size() - 2), &to, sizeof to);
    }
    scratch_.write("city.index", sealed(changed));
    const auto read = CityIndex::read(kept_, file_, "en");
    if (!read || *read == nullptr) continue;
    ++served;
    for (const char* const ip : {"198.18.1.1", "198.51.100.1", "198.51.100.200", "2001:db8::1", "2002:c612:1::", "::",
                                 "2001:db8:ffff:ffff:ffff:ffff:ffff:ffff", "2001:db8:ffff:ffff:ffff:ffff:ffff:1"})
      if (const auto id = (*read)->find(*Ip::parse(ip))) {
        ASSERT_LT(*id, (*read)->places()) << ip;
      }
  }
  EXPECT_GT(served, 10U);
  EXPECT_LT(served, 990U);
}

// The table by hand: nodes of one range each, in a file of both families.
class KeptTable : public testing::Test {
 protected:
  static constexpr std::uint32_t kNode = 1U << 31, kIpv4 = Table::kNothing - 1;

  template <class T>
  void put(std::size_t array, std::size_t at, T value) {
    std::memcpy(table_.arrays()[array].data() + at * sizeof value, &value, sizeof value);
  }
  // Four numbers of 16 bits: one range, its beginning, what it leads to.
  void put_node(std::size_t node, std::uint32_t to) {
    std::memcpy(table_.arrays()[2].data() + node * 8 + 4, &to, sizeof to);
  }
  static std::uint32_t node(std::uint32_t number) { return kNode | number * 4; }

  Table table_{Table::Sizes{1 << 16, 1 << 16, 4 * 8}};
};

TEST_F(KeptTable, IsWholeWhereAllNumbersAreKnown) {
  EXPECT_TRUE(table_.is_whole(1));
  EXPECT_FALSE(table_.is_whole(0));
  for (const std::size_t array : {0, 1}) {
    put(array, 65535, std::uint32_t{5});
    EXPECT_TRUE(table_.is_whole(6));
    EXPECT_FALSE(table_.is_whole(5));
    put(array, 65535, std::uint32_t{0});
  }
  put_node(3, 7);
  EXPECT_FALSE(table_.is_whole(7)) << "whether anything leads to that node or not";
}

TEST_F(KeptTable, HasNoCirclesAndNoMoreStepsThanAnAddress) {
  for (std::uint32_t i = 1; i < 7; ++i) put_node(i, node(i - 1));
  put(1, 0, node(6));
  EXPECT_TRUE(table_.is_whole(1));
  put_node(7, node(6));
  EXPECT_FALSE(table_.is_whole(1)) << "a ninth step, whether anything leads there or not";
  put_node(7, 0);
  put_node(0, node(0));
  EXPECT_FALSE(table_.is_whole(1)) << "in a circle";
  put_node(0, node(1));
  EXPECT_FALSE(table_.is_whole(1)) << "to one behind it";
  put_node(0, kNode | 6);
  EXPECT_FALSE(table_.is_whole(1)) << "into the middle of one";
  put_node(0, kNode | 4 * 8);
  EXPECT_FALSE(table_.is_whole(1)) << "beyond them";
}

TEST_F(KeptTable, LeadsToIpv4WhereFourBytesAreLeft) {
  put(1, 0, kIpv4);
  EXPECT_TRUE(table_.is_whole(1));
  put_node(0, kIpv4);
  for (std::uint32_t i = 1; i < 5; ++i) put_node(i, node(i - 1));
  put(1, 0, node(4));
  EXPECT_TRUE(table_.is_whole(1));
  put_node(5, node(4));
  EXPECT_FALSE(table_.is_whole(1));
  put_node(5, 0);
  put(0, 0, kIpv4);
  EXPECT_FALSE(table_.is_whole(1)) << "IPv4 that leads to IPv4";
}

TEST_F(KeptTable, TakesOneStepOfIpv4BehindTheFirst) {
  put_node(1, node(0));
  put(0, 0, node(0));
  EXPECT_TRUE(table_.is_whole(1));
  put(0, 0, node(1));
  EXPECT_FALSE(table_.is_whole(1));
}

TEST_F(KeptTable, HasFirstStepsOfTheirSizeAndNodesThatEnd) {
  EXPECT_FALSE(Table(Table::Sizes{1 << 15, 0, 0}).is_whole(1));
  EXPECT_FALSE(Table(Table::Sizes{0, 0, 0}).is_whole(1));
  EXPECT_FALSE(Table(Table::Sizes{1 << 16, 1 << 15, 0}).is_whole(1));
  EXPECT_TRUE(Table(Table::Sizes{1 << 20, 0, 0}).is_whole(1));
  EXPECT_FALSE(Table(Table::Sizes{1 << 16, 0, 3}).is_whole(1));
  put(2, 28, std::uint16_t{1});
  EXPECT_FALSE(table_.is_whole(1)) << "the last node has two ranges, and room for one";
}

}  // namespace
}  // namespace geo::io
