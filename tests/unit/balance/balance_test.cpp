#include "geo/balance.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <random>

#include "world.h"

namespace geo::balance {
namespace {

std::vector<Index> choices(const World& world, int cameras) {
  Query q = world.query("g");
  std::vector<Index> out;
  for (int i = 0; i < cameras; ++i) {
    q.key = camera_key("100-abcdef", std::to_string(i));
    const auto choice = world.balancer.select(q, world.live);
    out.push_back(choice ? choice->node : kNone);
  }
  return out;
}

TEST(Affinity, HonoursWeightsOverAMillionCameras) {
  constexpr int kCameras = 1000000;
  const std::vector<double> weights{100, 100, 200, 400, 50, 150};
  double sum = 0;
  for (const double w : weights) sum += w;
  std::vector<int> counts(weights.size());
  for (const Index n : choices(World(weighted(weights)), kCameras)) ++counts[n];
  for (std::size_t i = 0; i < weights.size(); ++i) {
    const double expected = kCameras * weights[i] / sum;
    EXPECT_LT(std::abs(counts[i] - expected), 4.5 * std::sqrt(expected)) << "node " << i;
    EXPECT_LT(std::abs(counts[i] - expected) / kCameras, 0.01) << "node " << i;
  }
}

TEST(Affinity, LosingANodeMovesExactlyItsOwnCamerasAndSpreadsThem) {
  constexpr int kCameras = 200000;
  const std::vector<double> weights{1, 2, 4, 1, 2, 4, 3, 3};
  const std::vector<Index> before = choices(World(weighted(weights)), kCameras);
  place::Rows rows = weighted(weights);
  constexpr Index kLost = 2;
  rows.nodes[kLost].admin = place::Admin::offline;
  const std::vector<Index> after = choices(World(rows), kCameras);
  std::vector<int> gained(weights.size());
  int lost = 0;
  for (std::size_t i = 0; i < before.size(); ++i) {
    if (before[i] != kLost) {
      ASSERT_EQ(after[i], before[i]) << "camera " << i << " moved though its node is there";
    } else {
      ++lost, ++gained[after[i]];
    }
  }
  EXPECT_EQ(gained[kLost], 0);
  for (Index n = 0; n < weights.size(); ++n) {
    if (n == kLost) continue;
    const double expected = lost * weights[n] / 16.0;
    EXPECT_LT(std::abs(gained[n] - expected), 4.5 * std::sqrt(expected)) << "node " << n;
  }
  EXPECT_EQ(choices(World(weighted(weights)), kCameras), before);  // its return restores all
}

TEST(Affinity, TakingTheRowOutIsTheSameAsTakingTheNodeOffline) {
  const std::vector<double> weights{1, 2, 4, 1};
  place::Rows offline = weighted(weights), removed = weighted(weights);
  offline.nodes[1].admin = place::Admin::offline;
  removed.nodes.erase(removed.nodes.begin() + 1);
  const World a(offline), b(removed);
  for (int i = 0; i < 5000; ++i)
    ASSERT_EQ(a.ask(a.query("g", std::to_string(i))), b.ask(b.query("g", std::to_string(i))));
}

TEST(Affinity, AGrowingWeightTakesFromOthersAndGivesNothingAway) {
  const std::vector<Index> before = choices(World(weighted({1, 1, 1, 1})), 50000);
  const std::vector<Index> after = choices(World(weighted({1, 1, 2, 1})), 50000);
  for (std::size_t i = 0; i < before.size(); ++i)
    if (after[i] != before[i]) {
      ASSERT_EQ(after[i], 2U);
    }
}

TEST(Affinity, RowOrderNeverChangesAChoice) {
  std::vector<double> weights;
  for (int i = 0; i < 30; ++i) weights.push_back(1 + i % 5);
  place::Rows rows = weighted(weights);
  const World first(rows);
  std::mt19937 dice(5);
  std::shuffle(rows.nodes.begin(), rows.nodes.end(), dice);
  const World second(rows);
  for (int i = 0; i < 3000; ++i) {
    const std::string camera = std::to_string(i);
    ASSERT_EQ(first.ask(first.query("g", camera)), second.ask(second.query("g", camera)));
  }
}

// Written down once: the choice is part of what other machines and versions must agree on.
TEST(Affinity, IsTheSameOnEveryMachine) {
  const World world(weighted({100, 100, 200, 400, 50, 150}));
  std::string picks;
  for (int i = 0; i < 24; ++i) picks += world.ask(world.query("g", std::to_string(i))).substr(1);
  EXPECT_EQ(picks, "435535532222332333302023");
}

TEST(CameraKey, TellsServerFromCamera) {
  EXPECT_NE(camera_key("a", "bc"), camera_key("ab", "c"));
  EXPECT_NE(camera_key("a", "b"), camera_key("b", "a"));
}

TEST(Select, FallsBackInOrder) {
  place::Rows rows = scene::small_map();
  rows.nodes[0].admin = rows.nodes[1].admin = place::Admin::offline;
  const World world(rows);
  EXPECT_EQ(world.ask(world.query("ru-msk")), "spb-1");
  rows.nodes[2].admin = place::Admin::drain;
  const World empty(rows);
  EXPECT_EQ(empty.ask(empty.query("ru-msk")), "-");  // ru-spb has no fallback of its own here: lists are not followed
  EXPECT_EQ(empty.reasons(empty.query("ru-msk")),
            (Reasons{{"msk-1", "offline"}, {"msk-2", "offline"}, {"spb-1", "drained"}}));
}

TEST(Select, TriesAllGroupsOfAPatternBeforeTheNextPattern) {
  place::Rows rows = scene::small_map();
  place::Pattern streaming, any;
  streaming.id = "streaming", streaming.fallback = {"any"};
  any.id = "any";
  rows.patterns = {streaming, any};
  rows.nodes[0].patterns = rows.nodes[1].patterns = {"any"};  // Moscow serves "any" alone
  const World world(rows);
  EXPECT_EQ(world.ask(world.query("ru-msk")), "spb-1");
  rows.nodes[2].patterns = {"any"};
  const World second(rows);
  const auto choice = second.balancer.select(second.query("ru-msk"), second.live);
  ASSERT_TRUE(choice);
  EXPECT_EQ(second.topology->pattern(choice->pattern).id, "any");
  EXPECT_EQ(second.topology->group(choice->group).id, "ru-msk");
  Account account;
  second.ask(second.query("ru-msk"), &account);
  EXPECT_EQ(account.attempts.size(), 3U);  // streaming in both groups, then any
  EXPECT_EQ(account.verdicts.size(), 3U);  // each node once, with the last pattern's verdict
}

TEST(Select, HonoursExcludeUnlessNobodyIsLeft) {
  const World world(scene::small_map());
  Query q = world.query("ru-msk");
  const std::string first = world.ask(q);
  const std::string other = first == "msk-1" ? "msk-2" : "msk-1";
  std::vector<std::string_view> exclude{first};
  q.exclude = exclude;
  EXPECT_EQ(world.ask(q), other);
  EXPECT_EQ(world.reasons(q), (Reasons{{first, "excluded"}, {other, "chosen"}}));
  exclude = {"msk-1", "msk-2"};
  q.exclude = exclude;
  EXPECT_EQ(world.ask(q), "spb-1");
  exclude = {"msk-1", "msk-2", "spb-1"};
  q.exclude = exclude;
  const auto choice = world.balancer.select(q, world.live);
  ASSERT_TRUE(choice);
  EXPECT_TRUE(choice->exclude_ignored);
  EXPECT_EQ(world.topology->node(choice->node).id, first);
}

TEST(Select, NeverServesAcrossAForbiddenBorder) {
  place::Rows rows = scene::small_map();
  rows.nodes[0].country = "US";
  rows.nodes[0].forbid = {{"RU", "US"}};
  rows.groups[1].forbid = {{"*", "RU"}};
  const World world(rows);
  Query q = world.query("ru-msk");
  q.client_country = "RU";
  EXPECT_EQ(world.reasons(q), (Reasons{{"msk-1", "forbidden"}, {"msk-2", "chosen"}}));
  std::vector<std::string_view> exclude{"msk-2"};
  q.exclude = exclude;
  EXPECT_EQ(world.ask(q), "msk-2");  // exclude is relaxed, the border is not
  q.client_country = "";             // unknown: matches only *
  EXPECT_EQ(world.ask(q), "msk-1");
  EXPECT_EQ(world.ask(world.query("ru-spb")), "-");
}

TEST(Select, TheClientsOwnGroupForbidsItsFallbacksToo) {
  place::Rows rows = scene::small_map();
  rows.groups[0].forbid = {{"RU", "US"}};
  rows.nodes[0].admin = rows.nodes[1].admin = place::Admin::offline;
  rows.nodes[2].country = "US";
  const World world(rows);
  Query q = world.query("ru-msk");
  q.client_country = "RU";
  EXPECT_EQ(world.reasons(q).at("spb-1"), "forbidden");
  EXPECT_EQ(world.ask(q), "-");
  q.client_country = "FI";
  EXPECT_EQ(world.ask(q), "spb-1");
}

TEST(Select, GivesTheFirstTrueReason) {
  place::Rows rows;
  rows.groups = {group("g")};
  place::Partner acme;
  acme.id = "acme";
  rows.partners = {acme};
  for (const char* id :
       {"ok1", "ok2", "drained", "offline", "partner", "pattern", "format", "excluded", "weight", "plain"})
    rows.nodes.push_back(node(id, "g"));
  rows.nodes[2].admin = place::Admin::drain;
  rows.nodes[2].weight = 0;
  rows.nodes[3].admin = place::Admin::offline;
  rows.nodes[4].partners = {"acme"};
  rows.nodes[4].formats = {"hls"};
  rows.nodes[5].patterns = {"archive"};
  rows.patterns.emplace_back().id = "archive";
  rows.nodes[6].formats = {"hls"};
  rows.nodes[8].weight = 0;
  rows.nodes[9].ports = {0, 0, 80, 80};
  const World world(rows);
  Query q = world.query("g");
  std::vector<std::string_view> exclude{"excluded", "weight"};
  q.exclude = exclude;
  Reasons reasons = world.reasons(q);
  EXPECT_EQ(std::set<std::string>({reasons["ok1"], reasons["ok2"]}), (std::set<std::string>{"chosen", "not_first"}));
  reasons.erase("ok1"), reasons.erase("ok2");
  EXPECT_EQ(reasons, (Reasons{{"drained", "drained"},
                              {"offline", "offline"},
                              {"partner", "partner"},
                              {"pattern", "pattern"},
                              {"format", "format"},
                              {"excluded", "excluded"},
                              {"weight", "excluded"},
                              {"plain", "format"}}));
}

TEST(Reports, UnhealthyAndStaleNodesDoNotServe) {
  Report down{"msk-1", kNow - std::chrono::seconds(3), false, {}, {}},
      old{"msk-2", kNow - std::chrono::seconds(16), true, {}, {}};
  Report fresh{"spb-1", kNow, true, {}, {}};
  const World world(scene::small_map(), {}, {down, old, fresh});
  EXPECT_EQ(world.reasons(world.query("ru-msk")),
            (Reasons{{"msk-1", "unhealthy"}, {"msk-2", "stale"}, {"spb-1", "chosen"}}));
}

TEST(Reports, WhenAllAreOldTheReportsFailedNotTheNodes) {
  Report old{"msk-1", kNow - std::chrono::seconds(60), false, {}, {}},
      older{"msk-2", kNow - std::chrono::seconds(600), true, {}, {}};
  const World world(scene::small_map(), {}, {old, older});
  const Reasons reasons = world.reasons(world.query("ru-msk"));
  EXPECT_EQ(reasons.size(), 2U);
  EXPECT_NE(world.ask(world.query("ru-msk")), "-");
  EXPECT_NE(world.ask(world.query("ru-msk")), "spb-1");
}

TEST(Reports, ANodeWithoutARowIsEligibleBesideAStaleOne) {
  Report old{"msk-1", kNow - std::chrono::seconds(60), true, {}, {}};
  Report fresh{"msk-2", kNow, true, {}, {}};
  place::Rows rows = scene::small_map();
  rows.nodes.push_back(node("msk-3", "ru-msk"));
  const World world(rows, {}, {old, fresh});
  const Reasons reasons = world.reasons(world.query("ru-msk"));
  EXPECT_EQ(reasons.at("msk-1"), "stale");
}

TEST(Alternates, AreTheCamerasNextNodes) {
  const World world(scene::small_map());
  Query q = world.query("ru-msk");
  const auto first = world.balancer.select(q, world.live);
  Choice next[2];
  ASSERT_EQ(world.balancer.alternates(q, world.live, *first, next), 2U);
  std::vector<std::string_view> exclude{world.topology->node(first->node).id};
  q.exclude = exclude;
  EXPECT_EQ(world.topology->node(next[0].node).id, world.ask(q));
  EXPECT_EQ(world.topology->node(next[1].node).id, "spb-1");  // then the fallback group's
}

TEST(Alternates, NeverComeTwice) {
  place::Rows rows = scene::small_map();
  rows.groups[0].fallback.clear();
  const World world(rows);
  const auto first = world.balancer.select(world.query("ru-msk"), world.live);
  Choice next[2];
  ASSERT_EQ(world.balancer.alternates(world.query("ru-msk"), world.live, *first, next), 1U);
  EXPECT_NE(next[0].node, first->node);
}

TEST(EndpointOf, PlainOnlyWhereNothingElseIsOfferedAndAllowed) {
  place::Node n = node("n", "g");
  EXPECT_EQ(endpoint_of(n, Format::flv, false).scheme, "https");
  EXPECT_EQ(endpoint_of(n, Format::ws_fmp4, false).scheme, "wss");
  n.ports = {8443, 8443, 80, 80};
  EXPECT_EQ(endpoint_of(n, Format::hls, true).port, 8443);
  n.ports = {0, 0, 8080, 8081};
  EXPECT_EQ(endpoint_of(n, Format::flv, false).scheme, "");
  EXPECT_EQ(endpoint_of(n, Format::flv, true).port, 8080);
  EXPECT_EQ(endpoint_of(n, Format::ws_fmp4, true).scheme, "ws");
  EXPECT_EQ(endpoint_of(n, Format::ws_fmp4, true).port, 8081);
}

// In random worlds: the fast path and the account agree, hard rules hold, and if somebody may serve, somebody does.
TEST(Select, HoldsItsPromisesInRandomWorlds) {
  std::mt19937 dice(11);
  const auto one_in = [&](unsigned n) { return dice() % n == 0; };
  for (int round = 0; round < 3000; ++round) {
    place::Rows rows;
    for (int g = 0; g < 3; ++g) rows.groups.push_back(group("g" + std::to_string(g)));
    rows.groups[0].fallback = {"g1", "g2"};
    rows.groups[0].country = "RU", rows.groups[1].country = "US";
    if (one_in(3)) rows.groups[1].forbid = {{"RU", "US"}};
    rows.patterns.emplace_back().id = "streaming";
    rows.patterns.emplace_back().id = "any";
    rows.patterns[0].fallback = {"any"};
    rows.partners.emplace_back().id = "acme";
    std::vector<Report> reports;
    for (unsigned n = 0; n < 1 + dice() % 8; ++n) {
      place::Node row = node("n" + std::to_string(n), "g" + std::to_string(dice() % 3), one_in(5) ? 0 : 1 + dice() % 9);
      if (one_in(4)) row.admin = one_in(2) ? place::Admin::drain : place::Admin::offline;
      if (one_in(4)) row.partners = {"acme"};
      if (one_in(4)) row.patterns = {"any"};
      if (one_in(4)) row.formats = {"hls"};
      if (one_in(6)) row.forbid = {{"*", "*"}};
      if (one_in(3)) reports.push_back({row.id, kNow - std::chrono::seconds(dice() % 30), !one_in(3), {}, {}});
      rows.nodes.push_back(row);
    }
    const World world(rows, {}, reports);
    Query q = world.query("g0", std::to_string(round));
    q.client_country = one_in(2) ? "RU" : "";
    std::vector<std::string_view> exclude;
    if (one_in(3)) exclude = {"n0", "n1"};
    q.exclude = exclude;
    Account account;
    const auto choice = world.balancer.select(q, world.live, &account);
    ASSERT_EQ(choice.has_value(), world.ask(q) != "-");
    int chosen = 0;
    for (const Verdict& v : account.verdicts) {
      if (v.refused == Refused::none) {
        ++chosen;
        ASSERT_TRUE(choice);
        ASSERT_EQ(v.node, choice->node);
        const place::Node& row = world.topology->node(v.node);
        ASSERT_EQ(row.admin, place::Admin::online);
        ASSERT_GT(row.weight, 0);
        ASSERT_TRUE(row.partners.empty() && row.forbid.empty() && row.formats.empty());
      }
      if (!choice) {
        ASSERT_NE(v.refused, Refused::not_first) << "somebody may serve, nobody does";
        ASSERT_NE(v.refused, Refused::excluded);
      }
    }
    ASSERT_EQ(chosen, choice ? 1 : 0);
  }
}

}  // namespace
}  // namespace geo::balance
