#include <gtest/gtest.h>

#include <cstdlib>
#include <iostream>

#include "allocations.h"
#include "geo/base/text.h"
#include "geo/io/mmdb.h"
#include "mmdb_addresses.h"
#include "mmdb_reference.h"
#include "mmdb_writer.h"
#include "scratch.h"

namespace geo::io {
namespace {

using place::Location;
using test::flat_record;
using test::geoip2_record;
using test::MmdbAddresses;
using test::MmdbMap;
using test::MmdbPlace;
using test::MmdbReference;
using test::MmdbValue;
using test::MmdbWriter;

const MmdbPlace kMoscow{"RU",      "MOW", {{"en", "Moscow"}}, {{"en", "Moscow"}, {"ru", "Москва"}}, "55.7522",
                        "37.6156", ""};
const MmdbPlace kTokyo{"JP", "13", {{"en", "Tokyo"}}, {{"en", "Tokyo"}}, "35.6895", "139.6917", ""};

std::shared_ptr<const CityIndex> build(const std::filesystem::path& file, std::string_view language = "en") {
  auto built = CityIndex::build(file, language);
  if (!built) throw std::runtime_error(built.error());
  return std::move(*built);
}

// As MmdbReference::fields() writes it.
std::string fields(const CityIndex& index, const Ip& ip) {
  const std::optional<CityIndex::PlaceId> id = index.find(ip);
  if (!id) return {};
  const Location& at = index.place(*id);
  std::string line = at.country_code + "\t" + at.region_iso + "\t" + at.region + "\t" + at.city;
  if (!at.coordinates) return line + "\t\t";
  std::string coordinates;
  Json(coordinates).number(at.coordinates->latitude);
  line += "\t" + coordinates;
  coordinates.clear();
  Json(coordinates).number(at.coordinates->longitude);
  return line + "\t" + coordinates;
}

// The index against libmaxminddb: a fourth of the addresses in the file's networks, a fourth at their edges, half
// anywhere; and as many IPv4 addresses as a fourth, where the file has both families.
void expect_same(const std::filesystem::path& file, std::size_t addresses) {
  const MmdbReference reference(file);
  const auto index = build(file);
  MmdbAddresses draw(reference);
  std::size_t found = 0, different = 0;
  const auto compare = [&](const Ip& ip) {
    const std::string theirs = reference.fields(ip.to_string()), ours = fields(*index, ip);
    found += theirs.empty() ? 0 : 1;
    if (theirs != ours && ++different <= 10)
      ADD_FAILURE() << file << ": " << ip.to_string() << ": libmaxminddb [" << theirs << "], index [" << ours << "]";
  };
  const bool ipv4_alone = reference.bits() == 32;
  for (std::size_t i = 0; i < addresses; ++i)
    if (i % 2 == 0 && draw.has_networks())
      compare(draw.inside(i % 4 == 0));
    else
      compare(ipv4_alone ? draw.anywhere_v4() : draw.anywhere_v6());
  for (std::size_t i = 0; i < addresses / 4 && !ipv4_alone; ++i) compare(draw.anywhere_v4());
  EXPECT_EQ(different, 0U) << file << ": of " << addresses << " addresses";
  std::cout << file.filename().string() << ": " << addresses << " addresses, " << found << " of them found, "
            << different << " different\n";
}

MmdbValue city(std::size_t number) {
  return geoip2_record({"DE", "", {}, {{"en", "City " + std::to_string(number)}}, "", "", ""});
}

class Index : public testing::Test {
 protected:
  std::filesystem::path file(const MmdbWriter& writer, const char* name = "city.mmdb") {
    return scratch_.write(name, writer.bytes());
  }
  test::Scratch scratch_;
};

TEST_F(Index, AnswersAsLibmaxminddbInBothFamiliesAndThroughAliases) {
  MmdbWriter writer;
  for (std::size_t i = 0; i < 3000; ++i)
    writer.insert(
        ("81." + std::to_string(i % 50) + "." + std::to_string(i / 50) + ".0/" + std::to_string(24 + i % 7)).c_str(),
        city(i % 700));
  writer.insert("81.7.0.0/32", geoip2_record(kTokyo));
  writer.insert("2001:db8::/32", geoip2_record(kMoscow));
  writer.insert("2001:db8:ffff:ffff:ffff:ffff:ffff:ffff/128", geoip2_record(kTokyo));
  writer.insert("2400::/12", geoip2_record(kMoscow));
  writer.insert("2409:8000::/20", geoip2_record({}));
  for (const char* const alias : {"2002::/16", "2001::/32"}) writer.alias(alias, "0.0.0.0/0");
  expect_same(file(writer), 100'000);
  const auto index = build(file(writer));
  for (const char* const alias : {"81.7.0.0", "2002:5107::", "2001:0:5107::1", "::5107:0"})
    EXPECT_EQ(fields(*index, *Ip::parse(alias)), "JP\t13\tTokyo\tTokyo\t35.6895\t139.6917") << alias;
}

TEST_F(Index, AnswersAsLibmaxminddbWhereAnIpv4FileIsCrowded) {
  MmdbWriter writer({.database_type = "city ipv4", .ip_version = 4});
  for (std::size_t i = 0; i < 20'000; ++i)
    writer.insert((std::to_string(1 + i / 256) + "." + std::to_string(i % 256) + "." + std::to_string(i % 7 * 16) +
                   "." + std::to_string(i % 3 * 64) + "/" + std::to_string(26 + i % 7 % 5))
                      .c_str(),
                  flat_record({"DE", "", {}, {{"en", "City " + std::to_string(i % 900)}}, "50.1", "8.7", ""}));
  for (std::size_t i = 0; i < 4096; ++i)
    writer.insert(("9.9." + std::to_string(i / 16) + "." + std::to_string(i % 16 * 16) + "/28").c_str(),
                  flat_record({"FR", "", {}, {{"en", "City " + std::to_string(i % 2)}}, "", "", ""}));
  expect_same(file(writer), 100'000);
  EXPECT_FALSE(build(file(writer))->find(*Ip::parse("2001:db8::1")));
}

TEST_F(Index, AnswersAsLibmaxminddbWhereNetworksAreDenseAndLong) {
  for (const std::uint16_t record_size : {24, 28, 32}) {
    MmdbWriter writer({.record_size = record_size});
    std::array<std::uint8_t, 16> bytes{0x20, 0x01, 0x0d, 0xb8};
    for (unsigned i = 0; i < 5000; ++i) {
      bytes[4] = static_cast<std::uint8_t>(i >> 8);
      bytes[5] = static_cast<std::uint8_t>(i);
      writer.insert({Ip::v6(bytes.data()), 48}, city(i % 300));
    }
    for (unsigned bits = 49; bits <= 128; ++bits) {
      std::array<std::uint8_t, 16> longer = bytes;
      longer[(bits - 1) / 8] = static_cast<std::uint8_t>(longer[(bits - 1) / 8] | 0x80U >> (bits - 1) % 8);
      writer.insert({Ip::v6(longer.data()), static_cast<std::uint8_t>(bits)}, city(bits));
    }
    expect_same(file(writer), 30'000);
  }
}

// Told by the address sanitizer alone.
TEST_F(Index, ReadsNoFurtherThanTheAddressWhereTheLastStepLeadsNowhere) {
  MmdbWriter writer;
  writer.insert("2001:db8::1/128", geoip2_record(kMoscow));
  const auto index = build(file(writer));
  EXPECT_FALSE(index->find(*std::make_unique<Ip>(*Ip::parse("2001:db8::2"))));
}

TEST_F(Index, AnswersAsLibmaxminddbInRealFiles) {
  const char* const dir = std::getenv("GEO_TEST_GEODATA");
  if (dir == nullptr || *dir == '\0')
    GTEST_SKIP() << "GEO_TEST_GEODATA names no directory with .mmdb files; packaging/fetch-geodata DIR fills one";
  std::size_t files = 0;
  for (const auto& entry : std::filesystem::directory_iterator(dir))
    if (entry.path().extension() == ".mmdb") ++files, expect_same(entry.path(), 200'000);
  EXPECT_GT(files, 0U) << "no .mmdb file in " << dir;
}

TEST_F(Index, SpeaksTheLanguage) {
  MmdbWriter writer;
  writer.insert("198.18.0.0/15", geoip2_record(kMoscow));
  const auto index = build(file(writer), "ru");
  EXPECT_EQ(index->place(*index->find(*Ip::parse("198.18.0.1"))).city, "Москва");
}

TEST_F(Index, KeepsEqualPlacesOnceAndNoEmptyOnes) {
  MmdbWriter writer;
  const auto with_postcode = [](const char* code) {
    return MmdbMap{{"country", MmdbMap{{"iso_code", "RU"}}}, {"postal", MmdbMap{{"code", code}}}};
  };
  writer.insert("198.18.0.0/24", with_postcode("101000"));
  writer.insert("198.18.1.0/24", with_postcode("101001"));
  writer.insert("198.18.2.0/24", MmdbMap{{"postal", MmdbMap{{"code", "101002"}}}});
  const auto index = build(file(writer));
  EXPECT_EQ(index->places(), 1U);
  EXPECT_EQ(index->find(*Ip::parse("198.18.0.1")), index->find(*Ip::parse("198.18.1.1")));
  EXPECT_EQ(index->find(*Ip::parse("198.18.2.1")), std::nullopt);
}

TEST_F(Index, TellsWhatTheFileSaysOfItselfAndCountsAliasesOnce) {
  MmdbWriter writer;
  writer.insert("198.18.0.0/15", geoip2_record(kMoscow));
  writer.insert("2400::/12", geoip2_record(kMoscow));
  writer.alias("2002::/16", "0.0.0.0/0");
  const std::filesystem::path path = file(writer);
  const MmdbInfo info = build(path)->info();
  EXPECT_EQ(info.path, path.string());
  EXPECT_EQ(info.type, "GeoLite2-City");
  EXPECT_EQ(info.ip_version, 6U);
  EXPECT_EQ(info.build_epoch_s, 1767225600U);
  EXPECT_EQ(info.networks, 2U);
  EXPECT_GT(info.bytes, 0U);
  const auto opened = MaxMind::open({path}, "en");
  ASSERT_TRUE(opened);
  EXPECT_EQ((*opened)->files()[0].networks, 2U);
  EXPECT_EQ((*opened)->files()[0].bytes, std::filesystem::file_size(path));
}

TEST_F(Index, RefusesWhatMaxMindRefusesWithTheSameWords) {
  MmdbWriter writer, circle;
  writer.insert("198.18.0.0/15", geoip2_record(kMoscow));
  circle.insert("198.18.0.0/15", geoip2_record(kMoscow));
  circle.alias("198.18.0.0/15", "0.0.0.0/0");
  const std::string whole = writer.bytes();
  for (const std::string& bytes : {std::string(), whole.substr(0, whole.size() / 2), circle.bytes()}) {
    const std::filesystem::path path = scratch_.write("bad.mmdb", bytes);
    const auto built = CityIndex::build(path, "en");
    const auto opened = MaxMind::open({path}, "en");
    ASSERT_FALSE(built);
    ASSERT_FALSE(opened);
    EXPECT_EQ(built.error(), opened.error());
  }
}

// Sixteen nodes, each with the next one on both sides, stand for 65536 networks; here are 64 such towers.
TEST_F(Index, RefusesATreeThatStandsForFarMoreThanItHolds) {
  MmdbWriter writer;
  std::array<std::uint8_t, 16> bytes{0x20};
  for (unsigned tower = 0; tower < 64; ++tower) {
    bytes[1] = static_cast<std::uint8_t>(tower);
    bytes[3] = 0;
    writer.insert({Ip::v6(bytes.data()), 32}, city(tower));
    for (unsigned bits = 17; bits < 32; ++bits) {
      std::array<std::uint8_t, 16> other = bytes;
      other[(bits - 1) / 8] = static_cast<std::uint8_t>(other[(bits - 1) / 8] | 0x80U >> (bits - 1) % 8);
      const auto text = [&](const std::array<std::uint8_t, 16>& at) {
        return Ip::v6(at.data()).to_string() + "/" + std::to_string(bits);
      };
      writer.alias(text(other).c_str(), text(bytes).c_str());
    }
  }
  const auto built = CityIndex::build(file(writer), "en");
  ASSERT_FALSE(built);
  EXPECT_NE(built.error().find("its search tree stands for more networks than can be indexed"), std::string::npos)
      << built.error();
}

TEST_F(Index, RefusesNamesThatTakeFarMoreThanTheFile) {
  MmdbWriter writer;
  const std::string name(std::size_t{1} << 20, 'x');  // pointed to by each record
  for (std::size_t i = 0; i < 64; ++i)
    writer.insert(("198.18." + std::to_string(i) + ".0/24").c_str(),
                  geoip2_record({"DE", "", {}, {{"en", name}}, std::to_string(i), "8.7", ""}));
  const auto built = CityIndex::build(file(writer), "en");
  ASSERT_FALSE(built);
  EXPECT_NE(built.error().find("its records share names"), std::string::npos) << built.error();
}

class Indexed : public Index {
 protected:
  static Polled<resolve::Located> ask(const IndexedMaxMind& provider, const Ip& ip,
                                      const place::Topology* topology = nullptr) {
    return provider.locate({ip, topology});
  }
  static std::shared_ptr<const place::Topology> topology() {
    place::Rows rows;
    rows.groups.push_back({"ru-msk", {}, "", {}, {}});
    rows.places.push_back({"RU", "", "", "ru-msk"});
    return std::make_shared<const place::Topology>(std::move(rows));
  }
};

TEST_F(Indexed, AsksTheIndexesInTheirOrderAndCountsItsAnswers) {
  MmdbWriter first({.database_type = "city ipv4", .ip_version = 4}), second;
  first.insert("198.18.0.0/16", flat_record(kTokyo));
  first.insert("198.19.0.0/16", flat_record({}));
  second.insert("198.18.0.0/15", geoip2_record(kMoscow));
  const IndexedMaxMind provider({build(file(first, "1.mmdb")), build(file(second, "2.mmdb"))}, nullptr);
  const auto answer = ask(provider, *Ip::parse("198.18.0.1"));
  EXPECT_EQ((*answer)->location->country_code, "JP");
  EXPECT_EQ((*answer)->provider, "maxmind");
  EXPECT_FALSE((*answer)->cached());
  EXPECT_EQ((*answer)->grouped, nullptr);
  EXPECT_EQ((*ask(provider, *Ip::parse("198.19.0.1")))->location->country_code, "RU");
  EXPECT_EQ(ask(provider, *Ip::parse("198.20.0.1"))->error().code, ErrorCode::unknown_address);
  EXPECT_EQ(provider.status({}).calls, (Tally::Sums{2, 1, 0, 0}));
}

TEST_F(Indexed, KnowsTheGroupInItsOwnTopologyAlone) {
  MmdbWriter writer;
  writer.insert("198.18.0.0/16", geoip2_record(kMoscow));
  writer.insert("198.19.0.0/16", geoip2_record(kTokyo));
  const auto own = topology(), other = topology();
  const IndexedMaxMind provider({build(file(writer))}, own);
  const Ip moscow = *Ip::parse("198.18.0.1"), tokyo = *Ip::parse("198.19.0.1");
  const place::Grouped* const grouped = (*ask(provider, moscow, own.get()))->grouped;
  ASSERT_NE(grouped, nullptr);
  EXPECT_EQ(grouped->group, own->find_group("ru-msk"));
  EXPECT_EQ(grouped->by, place::GroupedBy::country);
  EXPECT_EQ((*ask(provider, tokyo, own.get()))->grouped->group, place::kNone);
  EXPECT_EQ((*ask(provider, moscow, other.get()))->grouped, nullptr);
  EXPECT_EQ((*ask(provider, moscow))->grouped, nullptr);
}

TEST_F(Indexed, AllocatesNothing) {
  MmdbWriter writer;
  writer.insert("198.18.0.0/16", geoip2_record(kMoscow));
  const auto own = topology();
  const IndexedMaxMind provider({build(file(writer))}, own);
  const Ip known = *Ip::parse("198.18.0.1"), unknown = *Ip::parse("2001:db8::1");
  const std::size_t before = test::allocations();
  bool found = false, lost = true;
  for (int i = 0; i < 100; ++i) {
    found = ask(provider, known, own.get())->has_value();
    lost = !ask(provider, unknown, own.get())->has_value();
  }
  EXPECT_EQ(test::allocations(), before);
  EXPECT_TRUE(found && lost);
}

}  // namespace
}  // namespace geo::io
