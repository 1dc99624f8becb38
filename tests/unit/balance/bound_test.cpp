// Bounded load, by the figures that it promises: cameras by Zipf, nodes in 1 : 2 : 4.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <random>

#include "world.h"

namespace geo::balance {
namespace {

constexpr std::size_t kNodes = 20;

place::Rows twenty() {
  std::vector<double> weights;
  for (std::size_t i = 0; i < kNodes; ++i) weights.push_back(100 << i % 3);
  return weighted(weights);
}

// Cameras by Zipf(1.1) over 100,000; rank 0 is the most watched.
class Zipf {
 public:
  explicit Zipf(unsigned seed) : dice_(seed) {
    double sum = 0;
    for (int rank = 1; rank <= 100000; ++rank) sums_.push_back(sum += std::pow(rank, -1.1));
  }
  std::size_t operator()() {
    const double at = std::uniform_real_distribution(0.0, sums_.back())(dice_);
    return static_cast<std::size_t>(std::lower_bound(sums_.begin(), sums_.end(), at) - sums_.begin());
  }
  std::uint64_t roll() { return dice_(); }

 private:
  std::mt19937_64 dice_;
  std::vector<double> sums_;
};

struct Seen {
  std::map<std::size_t, std::set<Index>> nodes_of;  // by camera
  int beyond = 0, at_first = 0;                     // requests for cameras beyond rank 200; of those at its first node
  double worst = 0;                                 // of the shares, after warm-up
};

// `ticks`: one in so many requests, each an eighth of a second.
Seen play(World& world, const World& plain, int requests, unsigned seed, int ticks) {
  Zipf zipf(seed);
  Seen seen;
  double weights = 0;
  for (const place::Node& each : world.topology->rows().nodes) weights += each.weight;
  Query q = world.query("g");
  for (int i = 0; i < requests; ++i) {
    const std::size_t rank = zipf();
    q.key = camera_key("100-abcdef", std::to_string(rank));
    q.dice = zipf.roll();
    const auto choice = world.balancer.select(q, world.live);
    world.live.redirected(*choice, q.partner, q.key);
    seen.nodes_of[rank].insert(choice->node);
    if (rank >= 200) {
      ++seen.beyond;
      seen.at_first += plain.balancer.select(q, plain.live)->node == choice->node ? 1 : 0;
    }
    if (ticks > 0 && i % ticks == 0) world.tick(milliseconds(125));
    if (i < 4000) continue;
    std::int64_t sum = 0;
    for (Index node = 0; node < kNodes; ++node) sum += world.live.under_way(node);
    for (Index node = 0; node < kNodes; ++node) {
      const double share = static_cast<double>(sum) * world.topology->node(node).weight / weights;
      seen.worst = std::max(seen.worst, static_cast<double>(world.live.under_way(node)) / share);
    }
  }
  return seen;
}

double nodes_per_camera(const Seen& seen) {
  double nodes = 0;
  for (const auto& [camera, those] : seen.nodes_of) nodes += static_cast<double>(those.size());
  return nodes / static_cast<double>(seen.nodes_of.size());
}

TEST(Bound, NobodyIsAboveItAndOnlyPopularCamerasSpread) {
  const World plain(twenty(), unbound());
  for (const unsigned seed : {1U, 2U, 3U}) {
    World world(twenty());
    const Seen seen = play(world, plain, 40000, seed, 0);
    EXPECT_LE(seen.worst, 1.25);
    EXPECT_LE(nodes_per_camera(seen), 1.15);
    EXPECT_GE(seen.at_first, 0.9 * seen.beyond);
  }
}

// While redirects fade and sums are worked out anew.
TEST(Bound, HoldsWhileTimePasses) {
  const World plain(twenty(), unbound());
  World world(twenty());
  const Seen seen = play(world, plain, 40000, 4, 100);
  EXPECT_LE(seen.worst, 1.26);  // what fades is rounded
  EXPECT_LE(nodes_per_camera(seen), 1.15);
  EXPECT_GE(seen.at_first, 0.9 * seen.beyond);
}

TEST(Bound, OneCameraSpreadsOverAsFewAsNeeded) {
  World world(alike(kNodes));
  Query q = world.query("g");
  std::set<Index> nodes;
  for (int i = 0; i < 5000; ++i) {
    const auto choice = world.balancer.select(q, world.live);
    world.live.redirected(*choice, q.partner, q.key);
    nodes.insert(choice->node);
  }
  EXPECT_GE(nodes.size(), 16U);  // 20 / 1.25
}

TEST(Bound, WhatIsFullCountsForNobody) {
  place::Rows rows = alike(3);
  rows.nodes[0].capacity = 10;
  rows.nodes[0].weight = 1000;
  World world(rows);
  for (const char* id : {"n0", "n1", "n2"}) world.report(id, id[1] == '0' ? 10 : 0);
  world.tick();
  Query q = world.query("g");
  for (int i = 0; i < 400; ++i) {  // one camera
    const auto choice = world.balancer.select(q, world.live);
    world.live.redirected(*choice, q.partner, q.key);
  }
  EXPECT_LE(world.under_way("n1"), 1.25 * 200 + 5);
  EXPECT_LE(world.under_way("n2"), 1.25 * 200 + 5);
}

// Those that the client's country may not have are not among whom it shares with.
TEST(Bound, HoldsAmongThoseThatACountryMayHave) {
  place::Rows rows = alike(40);
  rows.groups[0].forbid = {{"RU", "US"}};
  for (std::size_t i = 4; i < 40; ++i) rows.nodes[i].country = "US";
  World world(rows);
  Query q = world.query("g");
  q.client_country = "RU";
  for (int i = 0; i < 1000; ++i) {  // one camera
    q.dice = static_cast<std::uint64_t>(i) * 0x9e3779b97f4a7c15ULL;
    const auto choice = world.balancer.select(q, world.live);
    ASSERT_LT(choice->node, 4U);
    world.live.redirected(*choice, q.partner, q.key);
  }
  for (Index node = 0; node < 4; ++node) EXPECT_LE(world.live.under_way(node), 1.25 * 250 + 5);
}

TEST(Bound, LosingANodeMovesFewOthersAndItsReturnRestoresAll) {
  // Cameras watched evenly, as many as matter; where each is after all are placed once more.
  constexpr int kCameras = 20000;
  const auto place_all = [](World& world) { return world.choices(kCameras, true); };
  Settings settings;
  settings.slow_start = seconds(0);
  for (const Index lost : {Index{0}, Index{1}, Index{2}}) {  // one of each weight
    World world(twenty(), settings), without(twenty(), settings), after(twenty(), settings);
    const std::vector<Index> before = place_all(world);
    without.live.checked(lost, false, {}), without.live.checked(lost, false, {});
    without.tick();
    const std::vector<Index> meanwhile = place_all(without);
    int others = 0, moved = 0;
    for (std::size_t i = 0; i < before.size(); ++i) {
      if (before[i] == lost) continue;
      ++others;
      moved += meanwhile[i] != before[i] ? 1 : 0;
    }
    EXPECT_LE(moved, 0.02 * others) << "of " << others;
    for (int i = 0; i < 2; ++i) after.live.checked(lost, false, {});
    after.tick(seconds(1));
    for (int i = 0; i < 2; ++i) after.live.checked(lost, true, {});
    after.tick(seconds(1));
    EXPECT_EQ(place_all(after), before);
  }
}

}  // namespace
}  // namespace geo::balance
