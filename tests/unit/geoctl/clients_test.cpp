#include "clients.h"

#include <gtest/gtest.h>

#include <map>

#include "worlds.h"

namespace geoctl {
namespace {

// Of 100,000 draws, by the network of `cidrs` that is the innermost.
std::map<std::string, double> shares(const std::vector<std::string>& cidrs) {
  geo::place::Rows rows = test::rows();
  rows.networks.clear();
  for (const std::string& cidr : cidrs) {
    geo::place::Network network;
    network.cidr = *geo::Cidr::parse(cidr);
    network.group = "here";
    rows.networks.push_back(network);
  }
  const auto topology = std::make_shared<const geo::place::Topology>(std::move(rows));
  const auto clients = Clients::of({}, topology);
  std::map<std::string, double> found;
  Random random(1, 0);
  constexpr int kDraws = 100'000;
  for (int i = 0; i < kDraws; ++i) {
    const geo::place::Network* const network = topology->network_of(clients->draw(random));
    found[network == nullptr ? "outside" : network->cidr.to_string()] += 1.0 / kDraws;
  }
  return found;
}

TEST(Clients, OfIpv4NetworksAreAsManyAsAddresses) {
  const auto found = shares({"10.1.0.0/16", "10.3.0.0/17", "10.9.9.9/32"});
  EXPECT_NEAR(found.at("10.1.0.0/16"), 2.0 / 3, 0.01);
  EXPECT_NEAR(found.at("10.3.0.0/17"), 1.0 / 3, 0.01);
  EXPECT_FALSE(found.contains("outside"));
}

TEST(Clients, OfANetworkInAnotherAreItsOwnAlone) {
  const auto found = shares({"10.1.0.0/16", "10.1.128.0/17"});
  EXPECT_NEAR(found.at("10.1.0.0/16"), 0.5, 0.01);
  EXPECT_NEAR(found.at("10.1.128.0/17"), 0.5, 0.01);
}

TEST(Clients, OfANetworkThatIsAllTakenByOthersAreNone) {
  const auto found = shares({"10.1.0.0/16", "10.1.0.0/17", "10.1.128.0/17"});
  EXPECT_FALSE(found.contains("10.1.0.0/16"));
}

TEST(Clients, OfIpv6NetworksAreAsManyAsTheRootOfTheir64s) {
  // 65536, 256 and 1, and 256 addresses
  const auto found = shares({"2001:db8::/32", "2001:dba:1::/48", "2001:dbc::1/128", "10.0.0.0/24"});
  EXPECT_NEAR(found.at("2001:db8::/32"), 65536.0 / 66049, 0.005);
  EXPECT_NEAR(found.at("2001:dba:1::/48"), 256.0 / 66049, 0.001);
  EXPECT_NEAR(found.at("10.0.0.0/24"), 256.0 / 66049, 0.001);
  EXPECT_FALSE(found.contains("outside"));
}

TEST(Clients, ThereMustBeSome) {
  geo::place::Rows rows = test::rows();
  rows.networks.clear();
  const auto none = Clients::of({}, std::make_shared<const geo::place::Topology>(std::move(rows)));
  ASSERT_FALSE(none);
  EXPECT_EQ(none.error().code, geo::ErrorCode::bad_request);
  EXPECT_EQ(Clients::of({"/nowhere.mmdb"}, nullptr).error().code, geo::ErrorCode::invalid_config);
}

}  // namespace
}  // namespace geoctl
