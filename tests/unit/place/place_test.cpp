#include "geo/place.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <random>

#include "scene.h"

namespace geo::place {
namespace {

using scene::group;
using scene::network;
using scene::node;

Location at(std::string country, std::string iso = {}, std::string region = {}, std::string city = {},
            std::optional<Coordinates> coordinates = {}) {
  return {std::move(country), std::move(iso), std::move(region), std::move(city), coordinates};
}

TEST(RegionIso, IsUpToThreeCapitalsOrDigits) {
  for (const char* iso : {"MOW", "A", "77", "1Z9"}) EXPECT_TRUE(is_region_iso(iso)) << iso;
  for (const char* name : {"", "MOWA", "Mow", "M-W", "Ю"}) EXPECT_FALSE(is_region_iso(name)) << name;
}

struct Map {
  explicit Map(Rows rows, bool nearest = true) : topology(std::move(rows), nearest) {}
  // "group by how"
  std::string of(const Location& location, const char* address = nullptr, std::string_view partner = "default") const {
    const auto ip = address ? Ip::parse(address) : std::nullopt;
    const Grouped grouped = topology.group_of(ip ? &*ip : nullptr, location, topology.find_partner(partner));
    return (grouped.group == kNone ? "-" : topology.group(grouped.group).id) + " by " +
           std::string(name_of(grouped.by));
  }
  Topology topology;
};

Rows rows_with_places() {
  Rows rows = scene::small_map();
  rows.groups.push_back(group("city"));
  rows.groups.push_back(group("region"));
  rows.groups.push_back(group("country"));
  rows.places = {{"RU", "MOW", "Москва", "city"},
                 {"RU", "Tver Oblast", "", "region"},
                 {"RU", "", "", "country"},
                 {"RU", "", "Sochi", "city"}};
  return rows;
}

TEST(GroupOf, TheMostExactPlaceWins) {
  const Map map(rows_with_places());
  EXPECT_EQ(map.of(at("RU", "MOW", "Moscow", "Москва")), "city by city");
  EXPECT_EQ(map.of(at("RU", "TVE", "Tver Oblast", "Tver")), "region by region");
  EXPECT_EQ(map.of(at("RU", "KDA", "Krasnodar", "Sochi")), "city by city");
  EXPECT_EQ(map.of(at("RU", "MOW", "Moscow", "Zelenograd")), "country by country");
  EXPECT_EQ(map.of(at("RU")), "country by country");
  EXPECT_EQ(map.of(at("DE")), "eu by default");
}

TEST(GroupOf, ANetworkGoesBeforeAPlace) {
  const Map map(rows_with_places());
  EXPECT_EQ(map.of(at("RU", "MOW", "Moscow", "Москва"), "10.1.2.3"), "ru-msk by network");
  EXPECT_EQ(map.of(at("RU", "MOW", "Moscow", "Москва"), "10.2.2.3"), "city by city");
}

TEST(GroupOf, TheLongestNetworkDecidesEvenWithoutAGroup) {
  Rows rows = rows_with_places();
  rows.networks.push_back(network("10.1.5.0/24", "", at("RU", "TVE", "Tver Oblast")));
  const Map map(rows);
  EXPECT_EQ(map.of(at("RU", "TVE", "Tver Oblast"), "10.1.5.1"), "region by region");
}

TEST(GroupOf, NearestByCoordinatesUnlessSwitchedOff) {
  EXPECT_EQ(Map(scene::small_map()).of(at("FI", "", "", "", Coordinates{60.17, 24.94})), "ru-spb by nearest");
  EXPECT_EQ(Map(scene::small_map(), false).of(at("FI", "", "", "", Coordinates{60.17, 24.94})), "eu by default");
}

TEST(GroupOf, OfGroupsEquallyNearTheLowerIdWins) {
  const auto nearest = [](std::initializer_list<std::pair<const char*, Coordinates>> groups, Coordinates client) {
    Rows rows;
    for (const auto& [id, at] : groups) rows.groups.push_back(group(id, {}, at));
    return Map(rows).of(at("FI", "", "", "", client));
  };
  EXPECT_EQ(nearest({{"b", {55.75, 37.61}}, {"a", {55.75, 37.61}}}, {60.17, 24.94}), "a by nearest");
  EXPECT_EQ(nearest({{"b", {48.5, 10}}, {"a", {48.5, 30}}}, {13.37, 20}), "a by nearest");
  EXPECT_EQ(nearest({{"a", {48.5, 10}}, {"b", {48.5, 30}}}, {13.37, 20}), "a by nearest");
  EXPECT_EQ(nearest({{"a", {48.5, 10}}, {"b", {48.5, 29.999999}}}, {13.37, 20}), "b by nearest");
  EXPECT_EQ(nearest({{"a", {0.000001, 0}}, {"b", {0.0000009, 0}}}, {0, 0}), "b by nearest");
  EXPECT_EQ(nearest({{"b", {0, 179.5}}, {"a", {0, 178}}}, {0, -179.5}), "b by nearest");
}

// The distances as they are told everywhere else decide, to the last bit.
TEST(GroupOf, NearestIsByDistance) {
  std::mt19937 dice(7);
  const auto draw = [&](double range, unsigned steps) {
    return range * (static_cast<double>(dice() % (2 * steps + 1)) / steps - 1);
  };
  for (const unsigned steps : {6U, 1800U, 1'800'000'000U}) {  // coarse ones bring many equal distances
    const auto somewhere = [&] { return Coordinates{draw(90, steps), draw(180, steps)}; };
    for (int round = 0; round < 300; ++round) {
      Rows rows;
      for (int i = 0; i < 12; ++i) rows.groups.push_back(group("g" + std::to_string(dice()), {}, somewhere()));
      const Topology topology(rows);
      for (int i = 0; i < 20; ++i) {
        const Coordinates client = somewhere();
        const auto by_distance = [&](const Group& a, const Group& b) {
          const double a_km = distance_km(client, *a.coordinates), b_km = distance_km(client, *b.coordinates);
          return a_km != b_km ? a_km < b_km : a.id < b.id;
        };
        const Group& expected = *std::min_element(rows.groups.begin(), rows.groups.end(), by_distance);
        const Grouped found = topology.group_of(nullptr, at("FI", "", "", "", client), kNone);
        ASSERT_EQ(topology.group(found.group).id, expected.id) << client.latitude << ", " << client.longitude;
      }
    }
  }
}

TEST(GroupOf, NowhereWithoutADefaultGroup) {
  Rows rows = scene::small_map();
  rows.partners.clear();
  EXPECT_EQ(Map(rows).of(at("")), "- by nowhere");
}

TEST(PartnerOfHost, IgnoresPortCaseAndRootDot) {
  Rows rows = scene::small_map();
  Partner acme;
  acme.id = "acme";
  acme.hosts = {"Video.Acme.example", "[2001:db8::1]", "[::ffff:c000:201]"};
  rows.partners.push_back(acme);
  const Topology topology(rows);
  const auto partner = [&](std::string_view host) { return topology.partner(topology.partner_of_host(host)).id; };
  EXPECT_EQ(partner("video.acme.example"), "acme");
  EXPECT_EQ(partner("VIDEO.acme.EXAMPLE:8080"), "acme");
  EXPECT_EQ(partner("video.acme.example."), "acme");
  EXPECT_EQ(partner("[2001:db8::1]:80"), "acme");
  EXPECT_EQ(partner("[2001:db8::1]"), "acme");
  EXPECT_EQ(partner("[2001:DB8:0::1]:8080"), "acme");
  EXPECT_EQ(partner("[2001:0db8:0000::0.0.0.1]"), "acme");
  EXPECT_EQ(partner("[::FFFF:192.0.2.1]"), "acme");
  EXPECT_EQ(partner("[2001:db8::2]"), "default");
  for (const char* none : {"[", "[]", "]", ":", "[:", "[]:", "[2001:db8::1", "2001:db8::1]", "[192.0.2.1]",
                           "2001:db8::1", "[2001:db8::1%25eth0]", "[2001:db8::1]]"})
    EXPECT_EQ(partner(none), "default") << none;
  EXPECT_EQ(partner("other.example"), "default");
  EXPECT_EQ(partner(""), "default");
  EXPECT_EQ(partner(std::string(5000, 'x')), "default");
}

TEST(NodeHost, IsKnownWithItsPortUnlessItIsTheDefault) {
  Rows rows = scene::small_map();
  rows.nodes[0].ports = {8443, 443, 0, 0};
  const Topology topology(rows);
  EXPECT_TRUE(topology.is_node_host("msk-1.example.com:8443"));
  EXPECT_TRUE(topology.is_node_host("msk-1.example.com"));  // wss
  EXPECT_TRUE(topology.is_node_host("msk-2.example.com"));
  EXPECT_FALSE(topology.is_node_host("msk-2.example.com:443"));
  EXPECT_FALSE(topology.is_node_host("elsewhere.example.com"));
}

TEST(NodeDefaults, ComeFromTheGroup) {
  Rows rows = scene::small_map();
  rows.nodes[1].country = "FI";
  const Topology topology(rows);
  EXPECT_EQ(topology.country_of(topology.find_node("msk-1")), "RU");
  EXPECT_EQ(topology.country_of(topology.find_node("msk-2")), "FI");
  EXPECT_EQ(topology.coordinates_of(topology.find_node("eu-1")), (Coordinates{50.11, 8.68}));
}

TEST(Distance, IsTheGreatCircle) {
  EXPECT_NEAR(distance_km({55.75, 37.61}, {59.94, 30.31}), 634, 2);
  EXPECT_NEAR(distance_km({0, 179.5}, {0, -179.5}), 111.2, 0.1);
  EXPECT_EQ(distance_km({10, 10}, {10, 10}), 0);
}

TEST(ForbidText, IsTwoCountriesOrStars) {
  EXPECT_EQ(parse_forbid("RU>US"), (Forbid{"RU", "US"}));
  EXPECT_EQ(parse_forbid("*>US"), (Forbid{"*", "US"}));
  for (const char* bad : {"", "RU", "RU>", ">US", "ru>us", "RUS>US", "RU->US", "RU>US>DE"})
    EXPECT_FALSE(parse_forbid(bad)) << bad;
}

// ---- check() ----

std::vector<std::string> faults_of(const Rows& rows) {
  std::vector<std::string> out;
  for (const RowFault& fault : check(rows))
    out.push_back(fault.table + "[" + std::to_string(fault.row) + "]." + fault.key +
                  (fault.item < 0 ? "" : "[" + std::to_string(fault.item) + "]") + ": " + fault.message);
  return out;
}
using Texts = std::vector<std::string>;

TEST(Check, FindsNothingInAGoodMap) { EXPECT_EQ(faults_of(scene::small_map()), Texts{}); }

TEST(Check, ReportsADuplicateAtTheLaterRow) {
  Rows rows = scene::small_map();
  rows.nodes.push_back(rows.nodes[0]);
  EXPECT_EQ(faults_of(rows), Texts{"nodes[4].id: \"msk-1\" is there already"});
}

TEST(Check, ReportsDanglingReferences) {
  Rows rows = scene::small_map();
  rows.nodes[0].group = "nowhere";
  rows.nodes[1].partners = {"default", "acme"};
  rows.nodes[2].patterns = {"streaming", "archive"};
  rows.groups[0].fallback = {"ru-spb", "moon"};
  rows.partners[0].default_group = "mars";
  rows.places = {{"RU", "", "", "venus"}};
  EXPECT_EQ(faults_of(rows),
            (Texts{"groups[0].fallback[1]: no group \"moon\"", "partners[0].default_group: no group \"mars\"",
                   "places[0].group: no group \"venus\"", "nodes[0].group: no group \"nowhere\"",
                   "nodes[1].partners[1]: no partner \"acme\"", "nodes[2].patterns[1]: no pattern \"archive\""}));
}

TEST(Check, ReportsOverlappingClaims) {
  Rows rows = scene::small_map();
  rows.networks.push_back(network("10.1.0.0/16", "eu"));
  rows.places = {{"RU", "MOW", "", "ru-msk"}, {"RU", "MOW", "", "ru-spb"}};
  Partner a, b;
  a.id = "a", a.hosts = {"geo.example.com"};
  b.id = "b", b.hosts = {"GEO.example.com"};
  rows.partners.push_back(a);
  rows.partners.push_back(b);
  EXPECT_EQ(faults_of(rows), (Texts{"partners[2].hosts[0]: \"geo.example.com\" is claimed by partner \"a\" already",
                                    "places[1].country: RU/MOW/ is claimed already",
                                    "networks[1].cidr: 10.1.0.0/16 is claimed already"}));
}

TEST(Check, RefusesFallingBackOnItself) {
  Rows rows = scene::small_map();
  rows.groups[1].fallback = {"ru-spb"};
  EXPECT_EQ(faults_of(rows), Texts{"groups[1].fallback[0]: group \"ru-spb\" falls back on itself"});
}

TEST(Check, PassesOverRowsThatCouldNotBeRead) {
  Rows rows = scene::small_map();
  rows.nodes.push_back({});
  rows.nodes.push_back({});
  rows.groups.push_back({});
  EXPECT_EQ(faults_of(rows), Texts{});
}

}  // namespace
}  // namespace geo::place
