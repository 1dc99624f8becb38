#include <gtest/gtest.h>
#include <sys/stat.h>

#include <random>

#include "geo/io/mmdb.h"
#include "mmdb_writer.h"
#include "scratch.h"

namespace geo::io {
namespace {

using test::geoip2_record;
using test::mmdb_bytes;
using test::mmdb_pointer;
using test::MmdbArray;
using test::MmdbMap;
using test::MmdbPlace;
using test::MmdbValue;
using test::MmdbWriter;

const MmdbPlace kMoscow{"RU", "MOW", {{"en", "Moscow"}}, {{"en", "Moscow"}, {"ru", "Москва"}}, "55.75", "37.61", "US"};
const std::string kSeparator(16, '\0');

class MaxMindOpen : public testing::Test {
 protected:
  // What is wrong with a file, without its name in front; "" when it opens.
  std::string fault(const std::filesystem::path& file) {
    const auto opened = MaxMind::open({file}, "en");
    if (opened) return "";
    const std::string prefix = file.string() + ": ";
    EXPECT_EQ(opened.error().substr(0, prefix.size()), prefix);
    return opened.error().substr(prefix.size());
  }
  std::string fault_of(std::string_view bytes) { return fault(scratch_.write("city.mmdb", bytes)); }
  // Of a file with these bytes as its one record.
  std::string fault_of_record(const std::string& bytes) {
    MmdbWriter writer;
    writer.insert_bytes("198.18.0.0/15", bytes);
    return fault_of(writer.bytes());
  }
  static MmdbWriter small() {
    MmdbWriter writer;
    writer.insert("198.18.0.0/15", geoip2_record(kMoscow));
    writer.insert("2001:db8::/32", geoip2_record(kMoscow));
    return writer;
  }
  static std::string changed(std::string bytes, std::string_view from, std::string_view to) {
    const std::size_t at = bytes.rfind(from);
    if (at == std::string::npos) throw std::logic_error("nothing to change");
    return bytes.replace(at, from.size(), to);
  }

  test::Scratch scratch_;
};

TEST_F(MaxMindOpen, NamesTheFileThatCannotBeRead) {
  EXPECT_EQ(fault(scratch_ / "missing.mmdb"), "cannot be read: No such file or directory");
  EXPECT_EQ(fault(scratch_ / ""), "is a directory");
  EXPECT_EQ(fault_of(""), "is empty");
  ASSERT_EQ(mkfifo((scratch_ / "fifo").c_str(), 0600), 0);
  EXPECT_EQ(fault(scratch_ / "fifo"), "is not a regular file");
}

TEST_F(MaxMindOpen, NamesTheOneOfSeveralFilesThatIsBad) {
  const auto good = scratch_.write("good.mmdb", small().bytes());
  const auto bad = scratch_.write("bad.mmdb", "#!/bin/sh\n");
  const auto opened = MaxMind::open({good, bad, scratch_ / "missing.mmdb"}, "en");
  ASSERT_FALSE(opened);
  EXPECT_EQ(opened.error(), bad.string() + ": is no MaxMind DB, or cut short: there is no metadata");
}

TEST_F(MaxMindOpen, TakesOnlyCityAndEnterpriseDatabases) {
  const auto of_type = [this](const char* type) {
    MmdbWriter writer({.database_type = type});
    writer.insert("198.18.0.0/15", geoip2_record(kMoscow));
    return fault_of(writer.bytes());
  };
  for (const char* const type : {"GeoLite2-City", "GeoIP2-Enterprise", "city ipv4", "DBIP-City-Lite", "MY CITY"})
    EXPECT_EQ(of_type(type), "") << type;
  EXPECT_EQ(of_type("GeoLite2-ASN"), "is of type \"GeoLite2-ASN\", not a city or enterprise database");
  EXPECT_EQ(of_type("GeoLite2-Country"), "is of type \"GeoLite2-Country\", not a city or enterprise database");
  EXPECT_EQ(of_type("\"Стр\""), "is of type \"????????\", not a city or enterprise database");
  EXPECT_EQ(of_type(""), "its metadata has no database_type");
}

TEST_F(MaxMindOpen, RefusesAFileCutShortAnywhere) {
  const std::string whole = small().bytes();
  for (std::size_t size = 1; size < whole.size(); ++size)
    EXPECT_NE(fault_of(std::string_view(whole).substr(0, size)), "") << size << " of " << whole.size() << " bytes";
  for (std::size_t begin = 1; begin < whole.size(); ++begin)
    EXPECT_NE(fault_of(std::string_view(whole).substr(begin)), "") << "without its first " << begin << " bytes";
}

TEST_F(MaxMindOpen, RefusesMetadataItCannotUse) {
  const std::string good = small().bytes();
  const auto with_key = [&](std::string key) { return changed(good, key, std::string(key.size(), 'x')); };
  for (const char* const key :
       {"binary_format_major_version", "database_type", "ip_version", "record_size", "node_count"})
    EXPECT_EQ(fault_of(with_key(key)), std::string("its metadata has no ") + key);
  for (const char* const key : {"languages", "description", "build_epoch", "binary_format_minor_version"})
    EXPECT_EQ(fault_of(with_key(key)).substr(0, 15), "cannot be used:") << key;
  const auto with_number = [&](const std::string& key, std::uint16_t was, std::uint16_t is) {
    return changed(good, key + mmdb_bytes(was), key + mmdb_bytes(is));
  };
  EXPECT_EQ(fault_of(with_number("binary_format_major_version", 2, 3)), "is of MaxMind DB format 3, not 2");
  EXPECT_EQ(fault_of(with_number("ip_version", 6, 5)), "its metadata's ip_version is neither 4 nor 6");
  EXPECT_EQ(fault_of(with_number("record_size", 28, 20)), "its metadata's record_size is none of 24, 28, 32");
  EXPECT_EQ(fault_of(with_number("record_size", 28, 24)), "its search tree does not end where its metadata says");
  EXPECT_EQ(fault_of(good + "\xab\xcd\xefMaxMind.com"), "its metadata is broken: a value beyond the end (byte 0)");
}

TEST_F(MaxMindOpen, RefusesATreeThatDoesNotFitIn) {
  const MmdbWriter writer = small();
  const auto with_nodes = [&](const MmdbValue& count) {
    const std::string metadata = writer.metadata();
    const std::size_t value = metadata.find("node_count") + 10, next = metadata.find("record_size") - 1;
    return writer.tree() + kSeparator + writer.data() + metadata.substr(0, value) + mmdb_bytes(count) +
           metadata.substr(next);
  };
  const std::string too_large = "is cut short, or its metadata is wrong: a search tree of ";
  EXPECT_EQ(fault_of(with_nodes(std::uint32_t{1000})), too_large + "7000 bytes does not fit in");
  // 7 x this is 28 in 32 bits
  EXPECT_EQ(fault_of(with_nodes(std::uint32_t{1227133517})).substr(0, too_large.size()), too_large);
  EXPECT_EQ(fault_of(with_nodes(UINT32_MAX)).substr(0, too_large.size()), too_large);
  EXPECT_EQ(fault_of(with_nodes(UINT64_MAX)), "its metadata's node_count is too large");
  EXPECT_EQ(fault_of(with_nodes(std::uint32_t{0})), "its metadata has no node_count");
}

TEST_F(MaxMindOpen, RefusesATreeThatLeadsBackToItself) {
  MmdbWriter to_above = small();
  to_above.alias("2001:db8:1::/48", "2001:db8::/40");
  EXPECT_NE(fault_of(to_above.bytes()).find("it is deeper than an address is long, or leads back to itself"),
            std::string::npos);
  MmdbWriter to_the_top = small();
  to_the_top.alias("2001:db8:1::/48", "::/0");
  EXPECT_NE(fault_of(to_the_top.bytes()).find("its search tree is broken at node "), std::string::npos);
}

TEST_F(MaxMindOpen, RefusesATreeDeeperThanAnAddress) {
  MmdbWriter writer;
  writer.insert("198.18.0.1/32", geoip2_record(kMoscow));
  writer.alias("2001:db8::/96", "0.0.0.0/0");
  EXPECT_EQ(fault_of(writer.bytes()), "");
  writer.alias("2001:db8::1:0:0/97", "0.0.0.0/0");
  EXPECT_NE(fault_of(writer.bytes()).find("it is deeper than an address is long"), std::string::npos);
}

TEST_F(MaxMindOpen, RefusesATreeThatLeadsOutOfTheData) {
  const MmdbWriter writer = small();
  std::string tree = writer.tree();
  tree.replace(tree.size() - 7, 7, "\xff\xff\xff\xff\xff\xff\xff");
  EXPECT_NE(fault_of(tree + kSeparator + writer.data() + writer.metadata()).find("it leads out of the data section"),
            std::string::npos);
}

TEST_F(MaxMindOpen, RefusesARecordInTheMetadata) {
  // behind the data, where the library would still read
  MmdbWriter writer;
  writer.insert_bytes("198.18.0.0/15", "");
  EXPECT_NE(fault_of(writer.bytes()), "");
}

TEST_F(MaxMindOpen, RefusesBrokenRecords) {
  const std::string map("\xe1", 1), key = mmdb_bytes("city"), text = mmdb_bytes("Moscow");
  EXPECT_EQ(fault_of_record(map + key + text), "");
  const std::string broken = "its data is broken: ";
  EXPECT_EQ(fault_of_record(map + key + mmdb_pointer(4711)), broken + "a pointer beyond the end (byte 6)");
  EXPECT_EQ(fault_of_record(map + key + mmdb_pointer(UINT32_MAX)), broken + "a pointer beyond the end (byte 6)");
  EXPECT_EQ(fault_of_record(map + key + mmdb_pointer(6)), broken + "a pointer to a pointer (byte 6)");
  EXPECT_EQ(fault_of_record(map + key + mmdb_pointer(0)),
            broken + "values nested too deeply, or a pointer back to where it came from (byte 1)");
  EXPECT_EQ(fault_of_record(map + key + "\x20"), broken + "a pointer cut short (byte 6)");
  EXPECT_EQ(fault_of_record(map + key), broken + "a value beyond the end (byte 6)");
  EXPECT_EQ(fault_of_record(map + key + text.substr(0, 5)), broken + "a value cut short (byte 6)");
  EXPECT_EQ(fault_of_record(map + key + "\x5f\xff\xff\xff"), broken + "a value cut short (byte 6)");
  EXPECT_EQ(fault_of_record(map + key + "\x5f\xff"), broken + "a value cut short (byte 6)");
  EXPECT_EQ(fault_of_record(map + key + std::string("\0", 1)), broken + "a value cut short (byte 6)");
  EXPECT_EQ(fault_of_record(map + mmdb_bytes(std::uint32_t{7}) + text),
            broken + "a map's key that is no text (byte 1)");
  EXPECT_EQ(fault_of_record(map + mmdb_pointer(0) + text), broken + "a map's key that is no text (byte 0)");
  EXPECT_EQ(fault_of_record(map + key + "\x64" + "1234"), broken + "a number of impossible size (byte 6)");  // a double
  EXPECT_EQ(fault_of_record(map + key + "\xa3" + "123"), broken + "a number of impossible size (byte 6)");   // a uint16
  EXPECT_EQ(fault_of_record(map + key + std::string("\x03\x08", 2) + "123"),
            broken + "a number of impossible size (byte 6)");  // a float
  EXPECT_EQ(fault_of_record(map + key + std::string("\x02\x07", 2)), broken + "a boolean that is neither (byte 6)");
  for (const char type : {'\0', '\x05', '\x06', '\x09', '\xff'})
    EXPECT_EQ(fault_of_record(map + key + std::string{'\0', type}), broken + "a value of no type (byte 6)");
  EXPECT_EQ(fault_of_record("\xff\xff\xff\xff" + std::string(20000, '\x40')),
            broken + "a record without end (byte 4099)");
  EXPECT_EQ(fault_of_record("\xff\xff\xff\xff"), broken + "a value beyond the end (byte 4)");
}

// Arrays of two pointers to the next such array: 100 levels would be 2^100 values.
std::string fan_out(unsigned levels, std::uint32_t base) {
  std::string out;
  for (unsigned level = 0; level < levels; ++level) {
    const auto next = static_cast<std::uint32_t>(base + 12 * (level + 1));
    out += std::string("\x02\x04", 2) + mmdb_pointer(next) + mmdb_pointer(next);
  }
  return out + mmdb_bytes("end");
}

TEST_F(MaxMindOpen, RefusesPointersThatFanOutWithoutEnd) {
  EXPECT_NE(fault_of_record(fan_out(100, 0)).find("values nested too deeply"), std::string::npos);
  EXPECT_NE(fault_of_record(fan_out(15, 0)).find("a record without end"), std::string::npos);
  EXPECT_EQ(fault_of_record(fan_out(5, 0)), "");
}

TEST_F(MaxMindOpen, RefusesMetadataThatFansOutWithoutEnd) {
  const MmdbWriter writer = small();
  std::string metadata = writer.metadata();
  metadata[14] = static_cast<char>(metadata[14] + 1);  // one more in the map
  metadata += mmdb_bytes("zz");
  metadata += fan_out(15, static_cast<std::uint32_t>(metadata.size() - 14));
  EXPECT_NE(
      fault_of(writer.tree() + kSeparator + writer.data() + metadata).find("its metadata is broken: a record with"),
      std::string::npos);
}

TEST_F(MaxMindOpen, RefusesRecordsThatOverlapWithoutEnd) {
  // each an array of 4048 values, the first of which is a text that has the next array's beginning in it
  const auto overlapping = [](int count) {
    MmdbWriter writer;
    for (int i = 0; i < count; ++i) {
      const std::string network = "198.18." + std::to_string(i / 250) + "." + std::to_string(i % 250) + "/32";
      writer.insert_bytes(network.c_str(), "\x1e\x04\x0e\xb3\x44");
    }
    writer.insert_bytes("198.19.0.0/32", std::string(5000, '\x40'));
    return writer.bytes();
  };
  EXPECT_EQ(fault_of(overlapping(20)), "");
  EXPECT_NE(fault_of(overlapping(3000)).find("its data is broken: records that overlap without end"),
            std::string::npos);
}

TEST_F(MaxMindOpen, NeitherCrashesNorLiesAfterRandomChanges) {
  MmdbWriter writer;
  for (int i = 0; i < 8; ++i)
    writer.insert(
        ("198.18." + std::to_string(i) + ".0/24").c_str(),
        geoip2_record({"DE", "BY", {{"en", "Bavaria"}}, {{"en", "City " + std::to_string(i)}}, "48.1", "11.5", ""}));
  writer.insert("2001:db8::/32", test::flat_record(kMoscow));
  const std::string good = writer.bytes();
  std::vector<Ip> addresses;
  for (const char* const ip :
       {"198.18.0.1", "198.18.3.1", "198.18.7.255", "198.19.0.0", "2001:db8::1", "2001:db9::", "::"})
    addresses.push_back(*Ip::parse(ip));

  std::mt19937 random(20260105);
  int opened = 0, refused = 0;
  for (int round = 0; round < 4000; ++round) {
    std::string bytes = good;
    const unsigned changes = 1 + random() % 3;
    // the tree is the larger part, and its bytes are all alike: every other change goes into what is behind it
    const std::size_t from = round % 2 == 0 ? 0 : writer.tree().size();
    for (unsigned i = 0; i < changes; ++i)
      bytes[from + random() % (bytes.size() - from)] = static_cast<char>(random() % 4 == 0 ? 0xff : random());
    const auto provider = MaxMind::open({scratch_.write("city.mmdb", bytes)}, "en");
    if (!provider) {
      ++refused;
      EXPECT_NE(provider.error().find("city.mmdb: "), std::string::npos);
      continue;
    }
    ++opened;
    for (const Ip& ip : addresses) {
      const Polled<resolve::Located> answer = (*provider)->locate({ip, nullptr, Wait::never()});
      ASSERT_TRUE(answer.has_value());
      if (!*answer) {
        EXPECT_EQ(answer->error().code, ErrorCode::unknown_address);
        continue;
      }
      const place::Location& location = *(*answer)->location;
      EXPECT_TRUE(location.country_code.empty() || location.country_code.size() == 2);
      EXPECT_TRUE(!location.coordinates || std::abs(location.coordinates->latitude) <= 90);
    }
  }
  EXPECT_GT(opened, 100);
  EXPECT_GT(refused, 1000);
}

}  // namespace
}  // namespace geo::io
