// Why a node was it: geod_chosen_total.
#include <gtest/gtest.h>

#include "world.h"

namespace geo::balance {
namespace {

std::string why(const World& world, const Query& q) {
  const auto choice = world.balancer.select(q, world.live);
  return choice ? std::string(name_of(choice->why)) : "-";
}

Settings with(Policy policy, double balance_factor = 1.25) {
  Settings settings;
  settings.policy = policy;
  settings.balance_factor = balance_factor;
  return settings;
}

// Tables where each candidate draws, and tables with cells.
class WhyByTable : public testing::TestWithParam<std::size_t> {};
INSTANTIATE_TEST_SUITE_P(Sizes, WhyByTable, testing::Values(5, 100));

TEST_P(WhyByTable, TheCamerasOwnNodeIsTheFirst) {
  const World world(alike(GetParam()));
  EXPECT_EQ(why(world, world.query("g")), "first");
}

TEST_P(WhyByTable, ItsOwnNodeIsNotUp) {
  World world(alike(GetParam()));
  const Query q = world.query("g");
  const std::string first = world.ask(q);
  world.report(first, 0, {}, false);
  world.tick(seconds(1));
  EXPECT_NE(world.ask(q), first);
  EXPECT_EQ(why(world, q), "unavailable");
}

TEST_P(WhyByTable, ItsOwnNodeIsDrained) {
  place::Rows rows = alike(GetParam());
  const World before(rows);
  rows.nodes[before.index(before.ask(before.query("g")))].admin = place::Admin::drain;
  const World world(std::move(rows));
  EXPECT_EQ(why(world, world.query("g")), "unavailable");
}

TEST_P(WhyByTable, TheClientExcludesIt) {
  World world(alike(GetParam()));
  Query q = world.query("g");
  const std::string first = world.ask(q);
  const std::string_view exclude[] = {first};
  q.exclude = exclude;
  EXPECT_NE(world.ask(q), first);
  EXPECT_EQ(why(world, q), "excluded");
}

TEST_P(WhyByTable, AnExcludedNodeThatIsNotItsOwnChangesNothing) {
  World world(alike(GetParam()));
  Query q = world.query("g");
  const std::string other = world.ask(q) == "n0" ? "n1" : "n0";
  const std::string_view exclude[] = {other};
  q.exclude = exclude;
  EXPECT_EQ(why(world, q), "first");
}

TEST_P(WhyByTable, ItsOwnNodeHasMoreThanItsShare) {
  World world(alike(GetParam()));
  const Query q = world.query("g");
  const std::string first = world.ask(q);
  std::set<std::string> told;
  for (int i = 0; i < 200; ++i) {
    const std::string reason = why(world, q);
    EXPECT_EQ(reason == "overloaded", world.ask(q) != first) << i;
    told.insert(reason);
    world.live.redirected(*world.balancer.select(q, world.live), q.partner, q.key);
  }
  EXPECT_EQ(told, (std::set<std::string>{"first", "overloaded"}));
}

TEST(Why, NobodyElseIsLeft) {
  World world(alike(1));
  Query q = world.query("g");
  const std::string_view exclude[] = {"n0"};
  q.exclude = exclude;
  EXPECT_EQ(why(world, q), "exclude_ignored");
}

TEST(Why, OfOtherPoliciesWhoeverTheyComeToFirst) {
  for (const Policy policy : {Policy::weighted, Policy::least_loaded, Policy::nearest}) {
    place::Rows rows = alike(2);
    rows.nodes[0].coordinates = {55.75, 37.61};
    rows.nodes[1].coordinates = {50.11, 8.68};
    World world(rows, with(policy));
    Query q = world.query("g");
    q.client = {55.0, 37.0};
    q.dice = 7;
    EXPECT_EQ(why(world, q), "first") << name_of(policy);
    if (policy == Policy::least_loaded) continue;
    world.report(world.ask(q), 0, {}, false);
    world.tick(seconds(1));
    EXPECT_EQ(why(world, q), "unavailable") << name_of(policy);
  }
}

TEST(Why, AFallbackGroupAndAFallbackPattern) {
  place::Rows rows = scene::small_map();
  for (place::Node& each : rows.nodes)
    if (each.group == "ru-msk") each.admin = place::Admin::drain;
  const World world(rows);
  EXPECT_EQ(why(world, world.query("ru-msk")), "fallback_group");
  place::Pattern streaming, any;
  streaming.id = "streaming", streaming.fallback = {"any"};
  any.id = "any";
  rows.patterns = {streaming, any};
  for (place::Node& each : rows.nodes) each.patterns = {"any"};
  for (place::Node& each : rows.nodes) each.admin = place::Admin::online;
  const World other(rows);
  EXPECT_EQ(why(other, other.query("ru-msk")), "fallback_pattern");
}

TEST(Why, HealthIsIgnored) {
  World world(alike(3));
  for (const char* id : {"n0", "n1", "n2"}) world.report(id, 0, {}, false);
  world.tick(seconds(1));
  EXPECT_EQ(why(world, world.query("g")), "panic");
}

TEST(Why, SlowStartIsNoReasonWhereNobodyElseServes) {
  World world(alike(1));
  world.report("n0", 0, {}, false);
  world.tick(seconds(1));
  world.report("n0", 0);
  world.tick(seconds(1));
  EXPECT_EQ(why(world, world.query("g")), "first");
}

TEST(Credits, AreTheRedirectsSinceTheReportOrThoseThatHaveNotFaded) {
  World world(alike(2));
  const auto credits = [&](std::string_view id) { return world.live.status(world.index(id)).credits; };
  world.redirect("n0", 7);
  world.redirect("n1", 8);
  world.tick(seconds(10));
  world.report("n0", 100);
  world.tick(seconds(1));
  EXPECT_EQ(credits("n0"), 0) << "the seven are among the sessions";
  world.redirect("n0", 3);
  EXPECT_EQ(credits("n0"), 3);
  world.tick(seconds(49));  // its report is too old by now
  EXPECT_EQ(credits("n1"), 4);
  EXPECT_EQ(credits("n0"), world.under_way("n0"));
}

}  // namespace
}  // namespace geo::balance
