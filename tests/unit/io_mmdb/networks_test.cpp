#include <gtest/gtest.h>

#include "geo/io/mmdb.h"
#include "mmdb_writer.h"
#include "scratch.h"

namespace geo::io {
namespace {

using test::flat_record;
using test::geoip2_record;
using test::MmdbWriter;

std::vector<std::string> networks(const MmdbWriter& writer) {
  const test::Scratch scratch;
  std::vector<std::string> told;
  const auto done = each_network(scratch.write("city.mmdb", writer.bytes()),
                                 [&](const Cidr& cidr) { told.push_back(cidr.to_string()); });
  if (!done) told.push_back(done.error());
  return told;
}

const test::MmdbValue kBerlin = geoip2_record({"DE", "", {}, {{"en", "Berlin"}}, "52.5", "13.4", ""});
using Texts = std::vector<std::string>;

TEST(MmdbNetworks, AreToldInTheirOrderWithIpv4First) {
  MmdbWriter writer;
  writer.insert("2001:db8::/32", kBerlin);
  writer.insert("81.2.3.0/24", kBerlin);
  writer.insert("5.6.7.8/32", kBerlin);
  writer.insert("2001:db8:1::1/128", kBerlin);
  const Texts told = networks(writer);
  ASSERT_EQ(told.size(), 2 + 97U);  // around the one address there are 96 networks of 2001:db8::/32
  EXPECT_EQ((Texts{told.begin(), told.begin() + 2}), (Texts{"5.6.7.8/32", "81.2.3.0/24"}));
  EXPECT_NE(std::find(told.begin(), told.end(), "2001:db8:1::1/128"), told.end());
}

TEST(MmdbNetworks, OfAFileOfIpv4Alone) {
  MmdbWriter writer({.database_type = "city ipv4", .ip_version = 4});
  writer.insert("9.0.0.0/8", flat_record({"FR", "", {}, {{"en", "Paris"}}, "", "", ""}));
  EXPECT_EQ(networks(writer), Texts{"9.0.0.0/8"});
}

TEST(MmdbNetworks, AliasesAndRecordsWithoutAPlaceAreLeftOut) {
  MmdbWriter writer;
  writer.insert("81.2.0.0/16", kBerlin);
  writer.insert("81.3.0.0/16", geoip2_record({}));
  writer.insert("2a00::/16", kBerlin);
  for (const char* const alias : {"2002::/16", "2001::/32"}) writer.alias(alias, "0.0.0.0/0");
  EXPECT_EQ(networks(writer), (Texts{"81.2.0.0/16", "2a00::/16"}));
}

TEST(MmdbNetworks, NameAFileThatCannotBeUsed) {
  const auto done = each_network("/nowhere/city.mmdb", [](const Cidr&) {});
  ASSERT_FALSE(done);
  EXPECT_NE(done.error().find("/nowhere/city.mmdb"), std::string::npos);
}

}  // namespace
}  // namespace geo::io
