#include "geo/base/ip.h"

#include <gtest/gtest.h>

#include <map>
#include <random>

namespace geo {
namespace {

Ip ip(std::string_view text) { return *Ip::parse(text); }

TEST(IpParse, TakesStrictFormsOnly) {
  for (const char* good : {"0.0.0.0", "255.255.255.255", "77.88.55.60", "::", "::1", "2001:db8::1", "::ffff:1.2.3.4",
                           "2001:DB8:0:0:0:0:0:1"})
    EXPECT_TRUE(Ip::parse(good)) << good;
  for (const char* bad :
       {"", " 1.2.3.4", "1.2.3.4 ", "1.2.3", "1.2.3.4.5", "01.2.3.4", "1.2.3.256", "1.2.3.4:80", "[::1]",
        "fe80::1%eth0", ":::", "1::2::3", "12345::", "g::", "0x1.2.3.4", "1.2.3.-4", "00.0.0.0", "::ffff:1.2.3.04"})
    EXPECT_FALSE(Ip::parse(bad)) << bad;
  EXPECT_FALSE(Ip::parse(std::string_view("1.2.3.4\0", 8)));
  EXPECT_FALSE(Ip::parse(std::string(100, '1')));
}

TEST(IpText, IsAsRfc5952WritesIt) {
  const std::map<std::string, std::string> cases{{"2001:0DB8::0001", "2001:db8::1"},
                                                 {"2001:db8:0:0:1:0:0:1", "2001:db8::1:0:0:1"},
                                                 {"2001:db8:0:1:1:1:1:1", "2001:db8:0:1:1:1:1:1"},
                                                 {"0:0:0:0:0:0:0:0", "::"},
                                                 {"1:0:0:0:0:0:0:0", "1::"},
                                                 {"::ffff:77.88.55.60", "77.88.55.60"},
                                                 {"2001:0:0:1:0:0:0:1", "2001:0:0:1::1"},
                                                 {"10.0.0.1", "10.0.0.1"}};
  for (const auto& [in, out] : cases) EXPECT_EQ(ip(in).to_string(), out);
}

TEST(IpText, ReadsBackForRandomAddresses) {
  std::mt19937_64 dice(1);
  for (int i = 0; i < 20000; ++i) {
    std::uint8_t bytes[16];
    for (auto& byte : bytes) byte = dice() % 3 == 0 ? 0 : static_cast<std::uint8_t>(dice());
    const Ip address = i % 2 ? Ip::v6(bytes) : Ip::v4(bytes);
    ASSERT_EQ(ip(address.to_string()), address);
    ASSERT_LE(address.to_string().size(), Ip::kTextMax);
  }
}

TEST(IpMapped, IsTheIpv4Address) {
  EXPECT_TRUE(ip("::ffff:1.2.3.4").is_v4());
  EXPECT_EQ(ip("::ffff:1.2.3.4"), ip("1.2.3.4"));
  EXPECT_FALSE(ip("::1.2.3.4").is_v4());
}

TEST(IpMasked, KeepsTheNetworkAlone) {
  EXPECT_EQ(ip("203.0.113.77").masked(), ip("203.0.113.0"));
  EXPECT_EQ(ip("2001:db8:1:2:3::4").masked(), ip("2001:db8:1::"));
}

TEST(CidrParse, SaysWhatIsWrong) {
  std::string why;
  EXPECT_FALSE(Cidr::parse("10.1.2.3/16", &why));
  EXPECT_EQ(why, "host bits are set: the network is 10.1.0.0/16");
  for (const char* bad : {"10.0.0.0/33", "10.0.0.0/", "10.0.0.0/08", "10.0.0.0/-1", "::/129", "x/8", "/8",
                          "10.0.0.0/8/8", "::ffff:10.0.0.0/104"})
    EXPECT_FALSE(Cidr::parse(bad, &why)) << bad;
  EXPECT_EQ(Cidr::parse("10.1.2.3")->prefix, 32);
  EXPECT_EQ(Cidr::parse("2001:db8::/32")->to_string(), "2001:db8::/32");
  EXPECT_TRUE(Cidr::parse("0.0.0.0/0")->contains(ip("255.1.2.3")));
  EXPECT_FALSE(Cidr::parse("::/0")->contains(ip("1.2.3.4")));
}

TEST(PrefixMap, LongestPrefixWins) {
  const PrefixMap map({{*Cidr::parse("10.0.0.0/8"), 1},
                       {*Cidr::parse("10.1.0.0/16"), 2},
                       {*Cidr::parse("10.1.255.255/32"), 3},
                       {*Cidr::parse("255.0.0.0/8"), 4},
                       {*Cidr::parse("2001:db8::/32"), 5},
                       {*Cidr::parse("2001:db8:ffff::/48"), 6}});
  EXPECT_EQ(map.find(ip("10.0.0.1")), 1U);
  EXPECT_EQ(map.find(ip("10.1.0.1")), 2U);
  EXPECT_EQ(map.find(ip("10.1.255.255")), 3U);
  EXPECT_EQ(map.find(ip("10.2.0.0")), 1U);
  EXPECT_EQ(map.find(ip("255.255.255.255")), 4U);
  EXPECT_EQ(map.find(ip("11.0.0.0")), std::nullopt);
  EXPECT_EQ(map.find(ip("2001:db8:ffff::1")), 6U);
  EXPECT_EQ(map.find(ip("2001:db9::")), std::nullopt);
  EXPECT_EQ(PrefixMap().find(ip("::1")), std::nullopt);
}

TEST(PrefixMap, AnIpv6NetworkBesideTheMappedOnesEndsWhereItEnds) {
  const PrefixMap map({{*Cidr::parse("::fffe:0:0/96"), 1}, {*Cidr::parse("::/80"), 2}});
  EXPECT_EQ(map.find(ip("::fffe:1:2")), 1U);
  EXPECT_EQ(map.find(ip("::1:0:0:0")), std::nullopt);
  EXPECT_EQ(map.find(ip("2a02:6b8::1")), std::nullopt);
  EXPECT_EQ(map.find(ip("0.0.0.0")), std::nullopt);
}

TEST(PrefixMap, AgreesWithATryOfEveryNetwork) {
  std::mt19937_64 dice(7);
  for (int world = 0; world < 40; ++world) {
    std::vector<std::pair<Cidr, std::uint32_t>> networks;
    for (std::uint32_t i = 0; i < 60; ++i) {
      std::uint8_t bytes[16]{};
      const bool v4 = dice() % 2;
      for (std::size_t b = 0; b < (v4 ? 4 : 3); ++b) bytes[b] = static_cast<std::uint8_t>(dice() % 4 * 85);
      const Ip address = v4 ? Ip::v4(bytes) : Ip::v6(bytes);
      const Cidr wide{address, static_cast<std::uint8_t>(dice() % (v4 ? 33 : 129))};
      // cut the host bits off by asking where the network begins
      std::string why;
      const std::string text = address.to_string() + "/" + std::to_string(wide.prefix);
      auto cidr = Cidr::parse(text, &why);
      if (!cidr) cidr = Cidr::parse(why.substr(why.rfind(' ') + 1));
      const bool is_new =
          std::none_of(networks.begin(), networks.end(), [&](const auto& n) { return n.first == *cidr; });
      if (is_new) networks.emplace_back(*cidr, i);
    }
    const PrefixMap map(networks);
    for (int probe = 0; probe < 300; ++probe) {
      std::uint8_t bytes[16]{};
      const bool v4 = dice() % 2;
      for (auto& byte : bytes)
        byte = dice() % 2 ? static_cast<std::uint8_t>(dice() % 4 * 85) : static_cast<std::uint8_t>(dice());
      const Ip address = v4 ? Ip::v4(bytes) : Ip::v6(bytes);
      std::optional<std::uint32_t> expected;
      int longest = -1;
      for (const auto& [cidr, value] : networks)
        if (cidr.contains(address) && cidr.prefix > longest) expected = value, longest = cidr.prefix;
      ASSERT_EQ(map.find(address), expected) << address.to_string();
    }
  }
}

TEST(HostAsSent, IsLowerCaseWithAddressesInOneForm) {
  const std::map<std::string_view, std::string_view> hosts{
      {"Node-1.Example.com", "node-1.example.com"},
      {"192.0.2.1", "192.0.2.1"},
      {"[2001:0DB8::0001]", "[2001:db8::1]"},
      {"[2001:db8::0.0.0.1]", "[2001:db8::1]"},
      {"[::FFFF:192.0.2.1]", "[::ffff:c000:201]"},
      {"[::ffff:c000:0201]", "[::ffff:c000:201]"},
      // no hosts
      {"", ""},
      {"[", "["},
      {"[]", "[]"},
      {"[192.0.2.1]", "[192.0.2.1]"},
      {"[FE80::1%eth0]", "[fe80::1%eth0]"},
      {"[2001:DB8::1", "[2001:db8::1"},
  };
  for (const auto& [written, sent] : hosts) EXPECT_EQ(host_as_sent(written), sent) << written;
}

}  // namespace
}  // namespace geo
