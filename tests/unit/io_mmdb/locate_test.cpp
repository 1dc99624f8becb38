#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <thread>

#include "geo/io/mmdb.h"
#include "mmdb_writer.h"
#include "scratch.h"

namespace geo::io {
namespace {

using place::Coordinates;
using place::Location;
using test::flat_record;
using test::geoip2_record;
using test::MmdbArray;
using test::MmdbMap;
using test::MmdbPlace;
using test::MmdbValue;
using test::MmdbWriter;

const MmdbPlace kMoscow{"RU",
                        "MOW",
                        {{"en", "Moscow"}, {"ru", "Москва"}},
                        {{"de", "Moskau"}, {"en", "Moscow"}, {"ru", "Москва"}},
                        "55.7522",
                        "37.6156",
                        "US"};
const MmdbPlace kTokyo{"JP", "13", {{"en", "Tokyo"}}, {{"ja", "東京"}}, "35.6895", "139.6917", ""};

class MaxMindLocate : public testing::Test {
 protected:
  using Files = std::vector<std::filesystem::path>;

  std::unique_ptr<MaxMind> open(const Files& files, std::string_view language = "en") {
    auto opened = MaxMind::open(files, language);
    if (!opened) throw std::runtime_error(opened.error());
    return std::move(*opened);
  }
  std::unique_ptr<MaxMind> open(const MmdbWriter& writer, std::string_view language = "en") {
    return open(Files{scratch_.write("city.mmdb", writer.bytes())}, language);
  }
  static Result<resolve::Located> ask(const MaxMind& provider, const char* ip) {
    Polled<resolve::Located> answer = provider.locate({*Ip::parse(ip), nullptr, Wait::never()});
    return answer ? *answer : throw std::logic_error("it would have to wait");
  }
  static Location where(const MaxMind& provider, const char* ip) {
    const Result<resolve::Located> answer = ask(provider, ip);
    return answer ? *answer->location : Location{"denied", "", "", std::string(name_of(answer.error().code)), {}};
  }
  // The location of one record.
  Location read(const MmdbValue& record, std::string_view language = "en") {
    MmdbWriter writer;
    writer.insert("198.18.0.0/15", record);
    return where(*open(writer, language), "198.18.0.1");
  }
  static inline const Location kUnknown{"denied", "", "", "unknown_address", {}};

  test::Scratch scratch_;
};

TEST_F(MaxMindLocate, ReadsTheCitySchema) {
  EXPECT_EQ(read(geoip2_record(kMoscow)), (Location{"RU", "MOW", "Moscow", "Moscow", Coordinates{55.7522, 37.6156}}));
}

TEST_F(MaxMindLocate, ReadsTheFlatSchemaAndAddsNoDigitsToItsFloats) {
  EXPECT_EQ(read(flat_record(kMoscow)), (Location{"RU", "", "Moscow", "Moskau", Coordinates{55.7522, 37.6156}}));
}

TEST_F(MaxMindLocate, SpeaksTheLanguageElseEnglishElseTheFirstThere) {
  const MmdbValue record = geoip2_record(kMoscow);
  EXPECT_EQ(read(record, "ru").city, "Москва");
  EXPECT_EQ(read(record, "de").city, "Moskau");
  EXPECT_EQ(read(record, "de").region, "Moscow");
  EXPECT_EQ(read(record, "fr").city, "Moscow");
  EXPECT_EQ(read(geoip2_record(kTokyo), "fr").city, "東京");
}

TEST_F(MaxMindLocate, NamesItselfAndSaysTheAnswerIsFresh) {
  MmdbWriter writer;
  writer.insert("198.18.0.0/15", geoip2_record(kMoscow));
  const auto provider = open(writer);
  EXPECT_EQ(provider->name(), "maxmind");
  EXPECT_EQ(ask(*provider, "198.18.0.1")->provider, "maxmind");
  EXPECT_FALSE(ask(*provider, "198.18.0.1")->cached());
}

TEST_F(MaxMindLocate, NeverTakesTheRegisteredCountry) {
  MmdbPlace place = kMoscow;
  place.country = "";
  EXPECT_EQ(read(geoip2_record(place)).country_code, "");
  EXPECT_EQ(read(geoip2_record({.registered_country = "US"})), kUnknown);
}

TEST_F(MaxMindLocate, KnowsNothingByARecordThatSaysNothing) {
  EXPECT_EQ(read(MmdbMap{}), kUnknown);
  EXPECT_EQ(read(MmdbMap{{"traits", MmdbMap{{"is_anycast", true}}}}), kUnknown);
  EXPECT_EQ(read(flat_record({})), kUnknown);
  EXPECT_EQ(read("no map at all"), kUnknown);
}

TEST_F(MaxMindLocate, KnowsNothingOfAnAddressWithoutARecord) {
  MmdbWriter writer;
  writer.insert("198.18.0.0/15", geoip2_record(kMoscow));
  const auto provider = open(writer);
  EXPECT_EQ(where(*provider, "198.20.0.0"), kUnknown);
  EXPECT_EQ(where(*provider, "198.17.255.255"), kUnknown);
  EXPECT_EQ(where(*provider, "2001:db8::1"), kUnknown);
}

TEST_F(MaxMindLocate, FindsTheMostExactNetworkAtEveryRecordSizeInBothFamilies) {
  for (const std::uint16_t record_size : {24, 28, 32})
    for (const bool pointers : {true, false}) {
      MmdbWriter writer({.record_size = record_size, .pointers = pointers});
      for (int i = 0; i < 200; ++i)
        writer.insert(("198.18." + std::to_string(i) + ".0/24").c_str(),
                      geoip2_record({"DE", "", {}, {{"en", "City " + std::to_string(i)}}, "", "", ""}));
      writer.insert("198.18.7.128/25", geoip2_record(kTokyo));
      writer.insert("2001:db8::/32", geoip2_record(kMoscow));
      writer.insert("2001:db8:ffff:ffff:ffff:ffff:ffff:ffff/128", geoip2_record(kTokyo));
      const auto provider = open(writer);
      EXPECT_EQ(where(*provider, "198.18.199.255").city, "City 199");
      EXPECT_EQ(where(*provider, "198.18.7.127").city, "City 7");
      EXPECT_EQ(where(*provider, "198.18.7.128").city, "東京");
      EXPECT_EQ(where(*provider, "::ffff:198.18.7.128").city, "東京");
      EXPECT_EQ(where(*provider, "2001:db8::1").country_code, "RU");
      EXPECT_EQ(where(*provider, "2001:db8:ffff:ffff:ffff:ffff:ffff:fffe").country_code, "RU");
      EXPECT_EQ(where(*provider, "2001:db8:ffff:ffff:ffff:ffff:ffff:ffff").country_code, "JP");
    }
}

TEST_F(MaxMindLocate, LooksUpIpv4AloneInAnIpv4File) {
  MmdbWriter writer({.database_type = "city ipv4", .ip_version = 4});
  writer.insert("0.0.0.0/1", flat_record(kMoscow));
  writer.insert("128.0.0.0/1", flat_record(kMoscow));
  const auto provider = open(writer);
  EXPECT_EQ(where(*provider, "198.18.0.1").country_code, "RU");
  EXPECT_EQ(where(*provider, "c612:1::"), kUnknown);  // begins with the bits of 198.18.0.1
}

TEST_F(MaxMindLocate, FollowsASubtreeThatIsShared) {
  MmdbWriter writer;
  writer.insert("198.18.0.0/15", geoip2_record(kMoscow));
  writer.alias("2002::/16", "0.0.0.0/0");
  EXPECT_EQ(where(*open(writer), "2002:c612:1::").country_code, "RU");
}

TEST_F(MaxMindLocate, AsksTheFilesInTheirOrderAndPassesOverEmptyRecords) {
  MmdbWriter first({.database_type = "city ipv4", .ip_version = 4}), second;
  first.insert("198.18.0.0/16", flat_record(kTokyo));
  first.insert("198.19.0.0/16", flat_record({}));
  second.insert("198.18.0.0/15", geoip2_record(kMoscow));
  second.insert("2001:db8::/32", geoip2_record(kMoscow));
  const Files files{scratch_.write("1.mmdb", first.bytes()), scratch_.write("2.mmdb", second.bytes())};
  const auto provider = open(files);
  EXPECT_EQ(where(*provider, "198.18.0.1").country_code, "JP");
  EXPECT_EQ(where(*provider, "198.19.0.1").country_code, "RU");
  EXPECT_EQ(where(*provider, "2001:db8::1").country_code, "RU");
  ASSERT_EQ(provider->files().size(), 2U);
  EXPECT_EQ(provider->files()[0].path, files[0].string());
  EXPECT_EQ(provider->files()[0].type, "city ipv4");
  EXPECT_EQ(provider->files()[0].ip_version, 4U);
  EXPECT_EQ(provider->files()[1].type, "GeoLite2-City");
  EXPECT_EQ(provider->files()[1].ip_version, 6U);
  EXPECT_EQ(provider->files()[1].build_epoch_s, 1767225600U);
}

TEST_F(MaxMindLocate, WithoutFilesKnowsNothing) { EXPECT_EQ(where(*open(Files{}), "198.18.0.1"), kUnknown); }

TEST_F(MaxMindLocate, TakesCoordinatesOnlyWhenBothAreThereAndOnEarth) {
  const auto coordinates = [this](MmdbMap location) {
    return read(MmdbMap{{"country", MmdbMap{{"iso_code", "RU"}}}, {"location", std::move(location)}}).coordinates;
  };
  EXPECT_EQ(coordinates({{"latitude", -90.0}, {"longitude", 180.0}}), (Coordinates{-90, 180}));
  EXPECT_EQ(coordinates({{"latitude", 0.0}, {"longitude", 0.0}}), (Coordinates{0, 0}));
  EXPECT_EQ(coordinates({{"latitude", std::uint16_t{55}}, {"longitude", std::uint32_t{37}}}), (Coordinates{55, 37}));
  const std::optional<Coordinates> none;
  EXPECT_EQ(coordinates({{"latitude", 55.75}}), none);
  EXPECT_EQ(coordinates({{"longitude", 37.61}}), none);
  EXPECT_EQ(coordinates({{"latitude", 90.001}, {"longitude", 0.0}}), none);
  EXPECT_EQ(coordinates({{"latitude", 0.0}, {"longitude", -180.5}}), none);
  EXPECT_EQ(coordinates({{"latitude", "55.75"}, {"longitude", "37.61"}}), none);
  EXPECT_EQ(coordinates({{"latitude", std::nan("")}, {"longitude", 0.0}}), none);
  EXPECT_EQ(coordinates({{"latitude", std::numeric_limits<float>::quiet_NaN()}, {"longitude", 0.F}}), none);
  EXPECT_EQ(coordinates({{"latitude", 0.0}, {"longitude", std::numeric_limits<float>::infinity()}}), none);
}

TEST_F(MaxMindLocate, TakesOnlyCodesOfIsoForm) {
  const auto country = [this](const char* code) {
    return read(flat_record({code, "", {}, {{"en", "Moscow"}}, "", "", ""})).country_code;
  };
  EXPECT_EQ(country("RU"), "RU");
  for (const char* const no_code : {"", "ru", "R", "RUS", "R1", "-", "R\n"}) EXPECT_EQ(country(no_code), "") << no_code;
  const auto region = [this](const char* code) {
    return read(geoip2_record({"RU", code, {}, {}, "", "", ""})).region_iso;
  };
  for (const char* const code : {"MOW", "1", "13", "2A"}) EXPECT_EQ(region(code), code);
  for (const char* const no_code : {"mow", "RU-MOW", "MOSC", "M W"}) EXPECT_EQ(region(no_code), "") << no_code;
}

TEST_F(MaxMindLocate, PassesOverNamesThatAreNoText) {
  const auto city = [this](const char* name) {
    return read(geoip2_record({"RU", "", {}, {{"en", name}, {"fr", "Moscou"}}, "", "", ""})).city;
  };
  for (const char* const name : {"Moscow", "Orléans", "東京", "\xf0\x9f\x8c\x8d", "'s-Hertogenbosch", "\xc2\xa0x"})
    EXPECT_EQ(city(name), name);
  const char* const broken[] = {"\xff",         "Mos\xc3", "\xc0\xaf",         "\xe0\x80\xaf", "\xed\xa0\x80",
                                "\xf5\x80\x80", "\x80",    "\xf4\x90\x80\x80", "\xe2\x82",     "Moscow\n",
                                "\x1b[2J",      "a\x7f",   "\xc2\x9bJ",        "   ",          "\xf0\x8f\xbf\xbf"};
  for (const char* const name : broken) EXPECT_EQ(city(name), "Moscou") << testing::PrintToString(name);
  const std::string with_nul("Mos\0cow", 7);
  EXPECT_EQ(read(flat_record({"RU", "", {}, {{"en", with_nul}}, "", "", ""})).city, "");
}

TEST_F(MaxMindLocate, TakesTheFirstNameThroughPointersAndStopsAtOddValues) {
  MmdbWriter writer;
  const std::string shared = "Санкт-Петербург";  // long enough to be pointed to
  writer.insert("198.18.0.0/16", geoip2_record({"RU", "", {{"ru", shared}}, {{"ru", shared}}, "", "", ""}));
  writer.insert(
      "198.19.0.0/16",
      MmdbMap{{"country", MmdbMap{{"iso_code", "RU"}}},
              {"city", MmdbMap{{"names", MmdbMap{{"xx", MmdbMap{{"deeper", "than a name"}}}, {"yy", "Y"}}}}}});
  const auto provider = open(writer);
  EXPECT_EQ(where(*provider, "198.18.0.1").region, shared);
  EXPECT_EQ(where(*provider, "198.18.0.1").city, shared);
  EXPECT_EQ(where(*provider, "198.19.0.1"), (Location{"RU", "", "", "", {}}));
}

TEST_F(MaxMindLocate, StaysWhatItWasWhenTheFileIsOverwrittenInPlace) {
  MmdbWriter writer;
  for (int i = 0; i < 256; ++i)
    writer.insert(("198.18." + std::to_string(i) + ".0/24").c_str(),
                  geoip2_record({"DE", "", {}, {{"en", "City " + std::to_string(i)}}, "", "", ""}));
  const auto provider = open(writer);
  const auto expect_all = [&] {
    for (int i = 0; i < 256; ++i)
      EXPECT_EQ(where(*provider, ("198.18." + std::to_string(i) + ".1").c_str()).city, "City " + std::to_string(i));
  };
  scratch_.overwrite("city.mmdb", std::string(writer.bytes().size(), '\xff'));
  expect_all();
  scratch_.overwrite("city.mmdb", "");
  expect_all();
  std::filesystem::remove(scratch_ / "city.mmdb");
  expect_all();
}

TEST_F(MaxMindLocate, AnAnswerOutlivesItsProvider) {
  MmdbWriter writer;
  writer.insert("198.18.0.0/15", geoip2_record(kMoscow));
  auto provider = open(writer, "ru");
  const Result<resolve::Located> answer = ask(*provider, "198.18.0.1");
  provider.reset();
  EXPECT_EQ(answer->location->city, "Москва");
}

TEST_F(MaxMindLocate, AnswersManyThreadsAtOnce) {
  MmdbWriter writer;
  writer.insert("198.18.0.0/15", geoip2_record(kMoscow));
  const auto provider = open(writer);
  std::vector<std::thread> threads;
  for (int i = 0; i < 4; ++i)
    threads.emplace_back([&] {
      for (int k = 0; k < 1000; ++k) EXPECT_EQ(where(*provider, "198.18.0.1").country_code, "RU");
    });
  for (std::thread& thread : threads) thread.join();
}

}  // namespace
}  // namespace geo::io
