#include "geo/client.h"

#include <gtest/gtest.h>

namespace geo::client {
namespace {

std::string from(std::string_view peer, std::string_view forwarded, std::string_view x_forwarded_for) {
  static const TrustedProxies trusted(
      {*Cidr::parse("127.0.0.1"), *Cidr::parse("10.0.0.0/8"), *Cidr::parse("2001:db8::/32")});
  return address_of(*Ip::parse(peer), forwarded, x_forwarded_for, trusted).to_string();
}

TEST(ClientAddress, IsThePeersUnlessItIsTrusted) {
  EXPECT_EQ(from("203.0.113.7", "for=1.1.1.1", "2.2.2.2"), "203.0.113.7");
  EXPECT_EQ(from("127.0.0.1", "", ""), "127.0.0.1");
}

TEST(ClientAddress, IsTheFirstUntrustedFromTheRight) {
  EXPECT_EQ(from("127.0.0.1", "", "203.0.113.7"), "203.0.113.7");
  EXPECT_EQ(from("127.0.0.1", "", "9.9.9.9, 203.0.113.7, 10.1.1.1"), "203.0.113.7");
  EXPECT_EQ(from("127.0.0.1", "", "10.3.3.3,10.2.2.2 ,\t10.1.1.1"), "10.3.3.3");  // all trusted: the leftmost
}

TEST(ClientAddress, PrefersForwarded) {
  EXPECT_EQ(from("127.0.0.1", "for=203.0.113.7", "9.9.9.9"), "203.0.113.7");
  EXPECT_EQ(from("127.0.0.1", "for=9.9.9.9, For=\"[2001:db9::7]:4711\";proto=https;by=10.0.0.1, for=10.1.1.1", ""),
            "2001:db9::7");
  EXPECT_EQ(from("127.0.0.1", "proto=http;for=203.0.113.7:80;host=\"a,b;c\"", ""), "203.0.113.7");
}

TEST(ClientAddress, AcceptsPorts) {
  EXPECT_EQ(from("127.0.0.1", "", "203.0.113.7:4711"), "203.0.113.7");
  EXPECT_EQ(from("127.0.0.1", "", "[2001:db9::7]:4711"), "2001:db9::7");
  EXPECT_EQ(from("127.0.0.1", "", "[2001:db9::7]"), "2001:db9::7");
  EXPECT_EQ(from("127.0.0.1", "", "2001:db9::7"), "2001:db9::7");
}

TEST(ClientAddress, TheLastGoodOneWhereTheWalkEnds) {
  EXPECT_EQ(from("127.0.0.1", "", "unknown"), "127.0.0.1");
  EXPECT_EQ(from("127.0.0.1", "", "1.2.3.4, rubbish, 10.1.1.1"), "10.1.1.1");
  EXPECT_EQ(from("127.0.0.1", "for=_hidden, for=10.1.1.1", ""), "10.1.1.1");
  EXPECT_EQ(from("127.0.0.1", "for=unknown", "203.0.113.7"), "127.0.0.1");  // Forwarded is there: it alone counts
  for (const char* bad :
       {"203.0.113.7:x", "203.0.113.7:99999", "[203.0.113.7]", "[2001:db9::7", "[::1]x", "1.2.3.4 5.6.7.8", ",", "\""})
    EXPECT_EQ(from("127.0.0.1", "", bad), "127.0.0.1") << bad;
  for (const char* bad : {"for=1.2.3.4;for=5.6.7.8", "by=1.2.3.4", "for", "for=", ";", "for=\"", "\\"})
    EXPECT_EQ(from("127.0.0.1", bad, ""), "127.0.0.1") << bad;
}

TEST(ClientAddress, AnOpenQuoteOfTheClientsSwallowsNothingOfTheProxies) {
  EXPECT_EQ(from("127.0.0.1", "for=8.8.8.8;x=\", for=203.0.113.9", ""), "203.0.113.9");
  EXPECT_EQ(from("127.0.0.1", "for=\", for=203.0.113.9", ""), "203.0.113.9");
  EXPECT_EQ(from("127.0.0.1", "for=8.8.8.8;x=\"\\, for=203.0.113.9", ""), "203.0.113.9");
  EXPECT_EQ(from("127.0.0.1", "for=8.8.8.8;x=\", for=10.1.1.1", ""), "10.1.1.1");  // what is left of it is no element
  EXPECT_EQ(from("127.0.0.1", "for=8.8.8.8;x=\"a\", for=10.1.1.1", ""), "8.8.8.8");
  EXPECT_EQ(from("127.0.0.1", "for=8.8.8.8;x=\"a, b; c\", for=10.1.1.1", ""), "8.8.8.8");
}

TEST(ClientAddress, ALongListCostsNoMoreThanItsLength) {
  std::string list;
  while (list.size() < 4000000) list += "10.1.1.1,";
  EXPECT_EQ(from("127.0.0.1", "", list + "10.2.2.2"), "10.1.1.1");  // hours if each element walked the whole list
  std::string forwarded;
  while (forwarded.size() < 4000000) forwarded += "for=10.1.1.1,";
  EXPECT_EQ(from("127.0.0.1", forwarded + "for=10.2.2.2", ""), "10.1.1.1");
}

TEST(ClientAddress, MappedIpv6IsIpv4) { EXPECT_EQ(from("::ffff:127.0.0.1", "", "::ffff:203.0.113.7"), "203.0.113.7"); }

TEST(RequestId, HasItsAlphabet) {
  EXPECT_TRUE(is_request_id("a.B_c-9"));
  for (const std::string& bad : {std::string(), std::string("a:b"), std::string("a b"), std::string(65, 'a')})
    EXPECT_FALSE(is_request_id(bad)) << bad;
}

}  // namespace
}  // namespace geo::client
