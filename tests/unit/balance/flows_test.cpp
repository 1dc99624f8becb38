// Whose clients are served where: spills, the last minute, another topology.
#include <gtest/gtest.h>

#include "world.h"

namespace geo::balance {
namespace {

using Told = std::vector<std::string>;

// "a", whose clients "b" and then "c" serve where it cannot, with a node each.
place::Rows chain() {
  place::Rows rows;
  rows.groups = {group("a", {"b", "c"}), group("b", {"c"}), group("c")};
  rows.nodes = {node("na", "a"), node("nb", "b"), node("nc", "c")};
  return rows;
}

void ask(World& world, std::string_view of_group, int times = 1) {
  for (int i = 0; i < times; ++i) {
    const Query query = world.query(of_group, std::to_string(i));
    const auto choice = world.balancer.select(query, world.live);
    ASSERT_TRUE(choice);
    world.live.redirected(*choice, query.partner, query.key);
  }
}

// "a > b 7, 3" : redirects, and of the last minute
Told flows(const World& world) {
  Told told;
  for (const Flow& flow : world.live.flows())
    told.push_back(world.topology->group(flow.from).id + " > " +
                   (flow.to == kNone ? "?" : world.topology->group(flow.to).id) + " " + std::to_string(flow.redirects) +
                   ", " + std::to_string(flow.last_minute));
  return told;
}

TEST(Flows, AreTheGroupsOwnWhileItsNodesServe) {
  World world(chain());
  EXPECT_EQ(flows(world), Told{});
  ask(world, "a", 5);
  ask(world, "c", 2);
  EXPECT_EQ(flows(world), (Told{"a > a 5, 5", "c > c 2, 2"}));
}

TEST(Flows, SpillToTheFallbackThatServed) {
  World world(chain());
  world.report("na", {}, {}, false);
  world.tick();
  ask(world, "a", 4);
  ask(world, "b", 1);
  world.report("nb", {}, {}, false);
  world.tick();
  ask(world, "a", 3);
  ask(world, "b", 2);
  EXPECT_EQ(flows(world), (Told{"a > b 4, 4", "a > c 3, 3", "b > b 1, 1", "b > c 2, 2"}));
}

TEST(Flows, KnowTheFallbackThatServesWhenAllArePanicking) {
  World world(chain());
  for (const char* const id : {"na", "nb", "nc"}) world.report(id, {}, {}, false);
  world.tick();
  ask(world, "a");  // whatever its health, the first one serves
  EXPECT_EQ(flows(world), Told{"a > a 1, 1"});
  world.report("nc");
  world.tick();
  ask(world, "a");
  EXPECT_EQ(flows(world), (Told{"a > a 1, 1", "a > c 1, 1"}));
}

TEST(Flows, OfTheLastMinuteEndWithIt) {
  World world(chain());
  const auto wait = [&](int s) {
    for (int i = 0; i < 4 * s; ++i) world.tick(milliseconds(250));
  };
  ask(world, "a", 3);
  wait(30);
  ask(world, "a", 2);
  wait(29);
  EXPECT_EQ(flows(world), Told{"a > a 5, 5"});
  wait(2);
  EXPECT_EQ(flows(world), Told{"a > a 5, 2"});
  wait(31);
  EXPECT_EQ(flows(world), Told{"a > a 5, 0"});
}

TEST(Flows, AreAMinutesThoughNobodyLookedForLonger) {
  World world(chain());
  ask(world, "a", 3);
  world.tick(seconds(1000));
  world.tick(seconds(1000));
  EXPECT_EQ(flows(world), Told{"a > a 3, 0"});
}

TEST(Flows, GoOnInAnotherTopologyByTheGroupsIds) {
  World world(chain());
  ask(world, "a", 6);
  world.report("na", {}, {}, false);
  world.tick(seconds(1));
  ask(world, "a", 4);
  world.report("nb", {}, {}, false);
  world.tick(seconds(1));
  ask(world, "a", 3);
  ask(world, "b", 2);
  // c is no fallback of a any more, and "a" stands elsewhere; "b" is gone
  place::Rows rows;
  rows.groups = {group("0"), group("c"), group("a", {"0"})};
  rows.nodes = {node("n0", "0"), node("na", "a"), node("nc", "c")};
  World next(rows, world);
  EXPECT_EQ(flows(next), (Told{"a > a 6, 6", "a > ? 7, 7"}));
  next.tick(seconds(1));
  ask(next, "a", 1);
  ask(next, "c", 1);
  EXPECT_EQ(flows(next), (Told{"c > c 1, 1", "a > a 6, 6", "a > 0 1, 1", "a > ? 7, 7"}));
  for (int i = 0; i < 61; ++i) next.tick(seconds(1));
  World last(chain(), next);
  EXPECT_EQ(flows(last), (Told{"a > a 6, 0", "a > ? 8, 0", "c > c 1, 0"})) << "what is forgotten does not come back";
}

}  // namespace
}  // namespace geo::balance
