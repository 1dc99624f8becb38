// What each policy prefers, and which one is asked.
#include <gtest/gtest.h>

#include <cmath>
#include <functional>
#include <numbers>
#include <random>

#include "allocations.h"
#include "world.h"

namespace geo::balance {
namespace {

Settings with(Policy policy, double balance_factor = 1.25) {
  Settings settings;
  settings.policy = policy;
  settings.balance_factor = balance_factor;
  return settings;
}

std::map<std::string, int> counts(World& world, int requests, std::string_view camera = "0") {
  Query q = world.query("g", camera);
  std::mt19937_64 dice(7);
  std::map<std::string, int> out;
  for (int i = 0; i < requests; ++i) {
    q.dice = dice();
    ++out[world.ask(q)];
  }
  return out;
}

void expect_shares(const std::map<std::string, int>& counts, const World& world, double sum, int requests) {
  for (const place::Node& each : world.topology->rows().nodes) {
    const double expected = requests * each.weight / sum;
    const auto found = counts.find(each.id);
    EXPECT_LT(std::abs((found == counts.end() ? 0 : found->second) - expected), 4.5 * std::sqrt(expected)) << each.id;
  }
}

// ---- weighted ----

TEST(Weighted, IsByWeightWhateverTheCamera) {
  for (const std::vector<double>& weights : {std::vector<double>{1, 2, 4}, std::vector<double>(50, 3)}) {
    World world(weighted(weights), with(Policy::weighted));
    double sum = 0;
    for (const double weight : weights) sum += weight;
    expect_shares(counts(world, 50000), world, sum, 50000);
  }
}

TEST(Weighted, TheSameDiceTheSameNode) {
  World world(alike(50), with(Policy::weighted));
  Query q = world.query("g");
  q.dice = 12345;
  const std::string first = world.ask(q);
  q.key = 99;
  EXPECT_EQ(world.ask(q), first);
}

// ---- least_loaded ----

TEST(LeastLoaded, TakesTheLessLoadedOfTwo) {
  World world(alike(2), with(Policy::least_loaded));
  world.report("n0", 10), world.report("n1", 9);
  world.tick();
  EXPECT_EQ(counts(world, 100), (std::map<std::string, int>{{"n1", 100}}));
  world.redirect("n1", 2);
  EXPECT_EQ(counts(world, 100), (std::map<std::string, int>{{"n0", 100}}));
}

TEST(LeastLoaded, ByWeight) {
  World world(weighted({100, 200}), with(Policy::least_loaded));
  world.report("n0", 10), world.report("n1", 15);
  world.tick();
  EXPECT_EQ(counts(world, 100), (std::map<std::string, int>{{"n1", 100}}));
}

// Never all to the one that its report of seconds ago made the least loaded.
TEST(LeastLoaded, SpreadsAmongAllButTheMostLoaded) {
  for (const std::size_t nodes : {10U, 100U}) {
    World world(alike(nodes), with(Policy::least_loaded));
    for (std::size_t i = 0; i < nodes; ++i) world.report("n" + std::to_string(i), static_cast<std::int64_t>(i));
    world.tick();
    const auto counted = counts(world, 20000);
    EXPECT_EQ(counted.size(), nodes - 1);
    // the least loaded is one of the two with probability 2 / n
    EXPECT_NEAR(counted.at("n0"), 2.0 * 20000 / static_cast<double>(nodes),
                5 * std::sqrt(40000.0 / static_cast<double>(nodes)));
  }
}

TEST(LeastLoaded, TheOnlyOneServes) {
  for (const std::size_t nodes : {1U, 2U, 50U}) {
    place::Rows rows = alike(nodes);
    for (std::size_t i = 1; i < nodes; ++i) rows.nodes[i].admin = place::Admin::drain;
    World world(rows, with(Policy::least_loaded));
    EXPECT_EQ(counts(world, 50), (std::map<std::string, int>{{"n0", 50}}));
  }
}

TEST(LeastLoaded, EvensOutWhatComes) {
  World world(weighted({100, 100, 200, 400, 100, 100, 100, 100, 200, 400}), with(Policy::least_loaded));
  Query q = world.query("g");
  std::mt19937_64 dice(7);
  for (int i = 0; i < 18000; ++i) {
    q.dice = dice();
    const auto choice = world.balancer.select(q, world.live);
    world.live.redirected(*choice, q.partner, q.key);
  }
  for (const place::Node& each : world.topology->rows().nodes)
    EXPECT_NEAR(static_cast<double>(world.under_way(each.id)), 18000 * each.weight / 1800, 60) << each.id;
}

// ---- nearest ----

place::Rows sited(std::vector<std::optional<place::Coordinates>> places) {
  place::Rows rows = alike(places.size());
  for (std::size_t i = 0; i < places.size(); ++i) rows.nodes[i].coordinates = places[i];
  return rows;
}
constexpr place::Coordinates kMoscow{55.75, 37.61}, kPetersburg{59.94, 30.31}, kTver{56.86, 35.9}, kParis{48.86, 2.35};

TEST(Nearest, IsByDistanceFromTheClientAndThenTheNext) {
  place::Rows rows = sited({kParis, kMoscow, kPetersburg, std::nullopt});
  World world(rows, with(Policy::nearest));
  Query q = world.query("g");
  q.client = kTver;
  EXPECT_EQ(world.ask(q), "n1");
  world.report("n1", 0, {}, false);
  world.tick();
  EXPECT_EQ(world.ask(q), "n2");
  std::vector<std::string_view> exclude{"n2"};
  q.exclude = exclude;
  EXPECT_EQ(world.ask(q), "n0");
  exclude.emplace_back("n0");
  q.exclude = exclude;
  EXPECT_EQ(world.ask(q), "n3");  // it is somewhere
}

TEST(Nearest, AtOnePlaceItIsByAffinity) {
  World world(sited({kMoscow, kMoscow, kMoscow, kParis}), with(Policy::nearest, 0));
  World three(sited({kMoscow, kMoscow, kMoscow}), with(Policy::affinity, 0));
  Query q = world.query("g");
  for (int i = 0; i < 500; ++i) {
    q.key = camera_key("100-abcdef", std::to_string(i));
    q.client = kTver;
    ASSERT_EQ(world.ask(q), three.ask(q));
  }
}

TEST(Nearest, AtOnePlaceNobodyIsAboveTheBound) {
  World world(sited({kMoscow, kMoscow, kMoscow, kMoscow, kParis}), with(Policy::nearest));
  Query q = world.query("g");
  q.client = kTver;
  for (int i = 1; i <= 2000; ++i) {  // one camera
    const auto choice = world.balancer.select(q, world.live);
    ASSERT_LT(choice->node, 4U);
    world.live.redirected(*choice, q.partner, q.key);
    if (i > 100) {
      ASSERT_LE(static_cast<double>(world.live.under_way(choice->node)), 1.25 * i / 4 + 1);
    }
  }
  EXPECT_EQ(world.reasons(q).at("n4"), "not_first");
}

TEST(Nearest, WithoutTheClientsPlaceItIsByAffinity) {
  World world(sited({kParis, kMoscow, kPetersburg}), with(Policy::nearest, 0)), affine(alike(3), unbound());
  EXPECT_EQ(world.choices(500), affine.choices(500));
}

TEST(Nearest, NodesWithoutCoordinatesAreWhereTheirGroupIs) {
  place::Rows rows = sited({kParis, std::nullopt});
  rows.groups[0].coordinates = kMoscow;
  World world(rows, with(Policy::nearest));
  Query q = world.query("g");
  q.client = kTver;
  EXPECT_EQ(world.ask(q), "n1");
}

// Against every node's distance, among few and many places: everywhere, close together, on a line, at the poles; with
// some of them down.
TEST(Nearest, IsTheNearestOfThoseThatMayServe) {
  std::mt19937_64 dice(11);
  const auto between = [&](double low, double high) { return std::uniform_real_distribution(low, high)(dice); };
  using Somewhere = std::function<place::Coordinates()>;
  const Somewhere everywhere = [&] {
    return place::Coordinates{std::asin(between(-1, 1)) * 180 / std::numbers::pi, between(-180, 180)};
  };
  const Somewhere clustered = [&] {
    return place::Coordinates{52 + between(0, 0.5) * between(0, 1), 4.5 + between(0, 0.5)};
  };
  const Somewhere in_line = [&] { return place::Coordinates{0, between(-10, 10)}; };
  const Somewhere polar = [&] {
    return place::Coordinates{dice() % 2 == 0 ? 90.0 : -90 + between(0, 1), between(-180, 180)};
  };
  for (const Somewhere& somewhere : {everywhere, clustered, in_line, polar})
    for (const std::size_t nodes : {2U, 9U, 17U, 100U, 2000U}) {
      std::vector<std::optional<place::Coordinates>> places;
      for (std::size_t i = 0; i < nodes; ++i) places.push_back(i % 5 == 4 ? places[dice() % i] : somewhere());
      World world(sited(places), with(Policy::nearest));
      for (const unsigned down_percent : {0U, 50U, 98U}) {
        std::vector<Report> reports;
        std::vector<bool> serves(nodes, true);
        for (std::size_t i = 1; i < nodes; ++i) {
          serves[i] = dice() % 100 >= down_percent;
          reports.push_back({"n" + std::to_string(i), kNow, true, {}, serves[i] ? 0.0 : 1.0});
        }
        world.live.reported(reports);
        world.tick();
        Query q = world.query("g");
        for (int i = 0; i < 120; ++i) {
          q.client = i % 2 == 0 ? everywhere() : somewhere();
          q.key = dice();
          double least = 1e9;
          for (std::size_t n = 0; n < nodes; ++n)
            if (serves[n]) least = std::min(least, place::distance_km(*q.client, *places[n]));
          const auto choice = world.balancer.select(q, world.live);
          ASSERT_TRUE(choice);
          ASSERT_TRUE(serves[choice->node]);
          ASSERT_NEAR(place::distance_km(*q.client, *places[choice->node]), least, 1e-3);
        }
      }
    }
}

TEST(Nearest, DoesNotAllocate) {
  std::vector<std::optional<place::Coordinates>> places;
  for (int i = 0; i < 500; ++i) places.push_back(place::Coordinates{-80 + i * 0.3, -170.0 + i % 300});
  World world(sited(places), with(Policy::nearest));
  Query q = world.query("g");
  q.client = kTver;
  const std::size_t before = test::allocations();
  const auto choice = world.balancer.select(q, world.live);
  EXPECT_EQ(test::allocations(), before);
  EXPECT_TRUE(choice);
}

// ---- whose policy ----

TEST(PolicyOf, ThePartnersGoesBeforeThePatternsBeforeTheSettings) {
  place::Rows rows = sited({kParis, kMoscow});
  place::Pattern near;
  near.id = "near";
  near.policy = "nearest";
  rows.patterns = {near};
  rows.patterns.emplace_back().id = "streaming";
  place::Partner loaded;
  loaded.id = "loaded";
  loaded.policy = "least_loaded";
  rows.partners = {loaded};
  rows.partners.emplace_back().id = "default";
  World world(rows, unbound());
  world.report("n0", 5), world.report("n1", 50);
  world.tick();
  Query q = world.query("g");
  q.client = kMoscow;
  std::string camera = "0";  // one whose first node is Paris'
  for (int i = 0; world.ask(q) != "n0"; ++i) q.key = camera_key("100-abcdef", camera = std::to_string(i));
  EXPECT_EQ(world.ask(q), "n0");  // affinity, by the settings
  q.pattern = world.topology->find_pattern("near");
  EXPECT_EQ(world.ask(q), "n1");
  q.partner = world.topology->find_partner("loaded");
  EXPECT_EQ(world.ask(q), "n0");
  for (int i = 0; i < 200; ++i) {
    q.key = camera_key("100-abcdef", std::to_string(i));
    ASSERT_EQ(world.ask(q), "n0");
  }
}

// A fallback pattern brings its own policy.
TEST(PolicyOf, IsThatOfThePatternThatIsTried) {
  place::Rows rows = sited({kParis, kMoscow});
  for (place::Node& each : rows.nodes) each.patterns = {"any"};
  place::Pattern any, streaming;
  any.id = "any", any.policy = "nearest";
  streaming.id = "streaming", streaming.fallback = {"any"}, streaming.policy = "weighted";
  rows.patterns = {streaming, any};
  World world(rows);
  Query q = world.query("g");
  q.client = kTver;
  for (std::uint64_t dice = 0; dice < 100; ++dice) {
    q.dice = dice * 0x9e3779b97f4a7c15ULL;
    ASSERT_EQ(world.ask(q), "n1");
  }
}

// ---- all of them ----

class EveryPolicy : public testing::TestWithParam<Policy> {};
INSTANTIATE_TEST_SUITE_P(All, EveryPolicy,
                         testing::Values(Policy::affinity, Policy::weighted, Policy::least_loaded, Policy::nearest),
                         [](const auto& each) { return std::string(name_of(each.param)); });

TEST_P(EveryPolicy, PassesOverWhoMayNot) {
  for (const std::size_t nodes : {8U, 64U}) {
    place::Rows rows = alike(nodes);
    for (std::size_t i = 0; i < nodes; ++i) {
      rows.nodes[i].coordinates = place::Coordinates{static_cast<double>(i), static_cast<double>(i)};
      if (i % 8 == 0) rows.nodes[i].admin = place::Admin::drain;
      if (i % 8 == 1) rows.nodes[i].formats = {"hls"};
      if (i % 8 == 2) rows.nodes[i].forbid = {{"*", "*"}};
      if (i % 8 == 3) rows.nodes[i].weight = 0;
      if (i % 8 == 4) rows.nodes[i].partners = {"acme"};
    }
    rows.partners.emplace_back().id = "acme";
    World world(rows, with(GetParam()));
    for (std::size_t i = 5; i < nodes; i += 8) world.report("n" + std::to_string(i), 0, 1.0);
    for (std::size_t i = 6; i < nodes; i += 8) world.report("n" + std::to_string(i), 0, {}, false);
    world.tick();
    Query q = world.query("g");
    q.client = kTver;
    std::mt19937_64 dice(1);
    for (int i = 0; i < 2000; ++i) {
      q.key = dice(), q.dice = dice();
      const auto choice = world.balancer.select(q, world.live);
      ASSERT_TRUE(choice);
      ASSERT_EQ(choice->node % 8, 7U);
      world.live.redirected(*choice, q.partner, q.key);
    }
  }
}

TEST_P(EveryPolicy, AlternatesAreOthers) {
  for (const std::size_t nodes : {2U, 3U, 64U}) {
    World world(alike(nodes), with(GetParam()));
    Query q = world.query("g");
    std::mt19937_64 dice(1);
    for (int i = 0; i < 200; ++i) {
      q.key = dice(), q.dice = dice();
      const auto first = world.balancer.select(q, world.live);
      Choice next[2];
      const std::size_t found = world.balancer.alternates(q, world.live, *first, next);
      ASSERT_EQ(found, std::min<std::size_t>(2, nodes - 1));
      ASSERT_NE(next[0].node, first->node);
      if (found == 2) {
        ASSERT_NE(next[1].node, first->node);
        ASSERT_NE(next[1].node, next[0].node);
      }
    }
  }
}

}  // namespace
}  // namespace geo::balance
