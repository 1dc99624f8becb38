// Groups of many nodes: exact movement, exact shares, and a choice whatever is refused.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <random>

#include "allocations.h"
#include "world.h"

namespace geo::balance {
namespace {

// In 1 : 2 : 4.
place::Rows many(std::size_t nodes) {
  std::vector<double> weights;
  for (std::size_t i = 0; i < nodes; ++i) weights.push_back(100 << i % 3);
  return weighted(weights);
}

void put(World& world, std::string_view id, bool online) {
  world.report(std::string(id), 0, {}, online);
  world.tick(seconds(1));
}
// None of them may serve, by its own word.
void fill(World& world, const auto& is_full) {
  std::vector<Report> reports;
  for (const place::Node& each : world.topology->rows().nodes)
    if (is_full(world.index(each.id))) reports.push_back({each.id, kNow + world.now, true, {}, 1.0});
  world.live.reported(reports);
  world.tick();
}

class Tables : public testing::TestWithParam<std::size_t> {};
INSTANTIATE_TEST_SUITE_P(Nodes, Tables, testing::Values(20, 33, 100, 10000),
                         [](const auto& sizes) { return "Of" + std::to_string(sizes.param); });

TEST_P(Tables, HonoursWeightsOverAMillionCameras) {
  constexpr int kCameras = 1000000;
  World world(many(GetParam()), unbound());
  std::vector<int> counts(GetParam());
  for (const Index node : world.choices(kCameras)) ++counts[node];
  double sum = 0, off = 0;
  for (const place::Node& each : world.topology->rows().nodes) sum += each.weight;
  for (std::size_t i = 0; i < counts.size(); ++i) {
    const double expected = kCameras * world.topology->node(static_cast<Index>(i)).weight / sum;
    if (counts.size() <= 100) {
      EXPECT_LT(std::abs(counts[i] - expected), 4.5 * std::sqrt(expected)) << i;
    }
    off += (counts[i] - expected) * (counts[i] - expected) / expected;
  }
  // chi squared: as near as chance comes
  const auto freedom = static_cast<double>(counts.size() - 1);
  EXPECT_LT(off, freedom + 4.5 * std::sqrt(2 * freedom));
}

TEST_P(Tables, LosingANodeMovesExactlyItsCamerasByWeightAndItsReturnRestoresAll) {
  constexpr int kCameras = 200000;
  World world(many(GetParam()), [] {
    Settings settings = unbound();
    settings.slow_start = seconds(0);
    return settings;
  }());
  const std::vector<Index> before = world.choices(kCameras);
  const Index lost = before[0];
  put(world, world.topology->node(lost).id, false);
  const std::vector<Index> without = world.choices(kCameras);
  for (std::size_t i = 0; i < before.size(); ++i) {
    ASSERT_TRUE(before[i] == lost ? without[i] != lost : without[i] == before[i]) << i;
  }
  put(world, world.topology->node(lost).id, true);
  EXPECT_EQ(world.choices(kCameras), before);
}

// `admin` and the store's changes of it are a loss like any other.
TEST_P(Tables, DrainingANodeMovesExactlyItsCameras) {
  constexpr int kCameras = 100000;
  place::Rows rows = many(GetParam());
  const std::vector<Index> before = World(rows, unbound()).choices(kCameras);
  const Index lost = before[0];
  for (const place::Admin admin : {place::Admin::drain, place::Admin::offline}) {
    rows.nodes[lost].admin = admin;
    const std::vector<Index> without = World(rows, unbound()).choices(kCameras);
    for (std::size_t i = 0; i < before.size(); ++i) {
      ASSERT_TRUE(before[i] == lost ? without[i] != lost : without[i] == before[i]) << i;
    }
  }
}

TEST_P(Tables, OneAfterTheOtherGoesAndNobodyElsesCameraMoves) {
  constexpr int kCameras = 20000;
  World world(many(GetParam()), unbound());
  std::vector<Index> before = world.choices(kCameras);
  std::set<Index> out;
  std::mt19937 dice(3);
  for (int round = 0; round < 6; ++round) {
    for (std::size_t i = 0; i < std::max<std::size_t>(1, GetParam() / 8); ++i)
      out.insert(static_cast<Index>(dice() % GetParam()));
    fill(world, [&](Index node) { return out.count(node) > 0; });
    const std::vector<Index> now = world.choices(kCameras);
    for (std::size_t i = 0; i < now.size(); ++i) {
      ASSERT_EQ(out.count(now[i]), 0U);
      if (now[i] != before[i]) {
        ASSERT_EQ(out.count(before[i]), 1U) << i;
      }
    }
    before = now;
  }
}

TEST_P(Tables, RowOrderNeverMatters) {
  place::Rows rows = many(GetParam());
  World first(rows);
  std::mt19937 dice(5);
  std::shuffle(rows.nodes.begin(), rows.nodes.end(), dice);
  World second(rows);
  const auto names = [](World& world) {
    std::vector<std::string> out;
    for (const Index node : world.choices(3000)) out.push_back(world.topology->node(node).id);
    return out;
  };
  EXPECT_EQ(names(first), names(second));
}

TEST_P(Tables, AGrowingWeightTakesFromOthersAndGivesNothingAway) {
  place::Rows rows = many(GetParam());
  const std::vector<Index> before = World(rows, unbound()).choices(50000);
  rows.nodes[7].weight *= 1.15;
  const std::vector<Index> after = World(rows, unbound()).choices(50000);
  int moved = 0, others = 0;
  for (std::size_t i = 0; i < before.size(); ++i) {
    if (after[i] == before[i]) continue;
    ++moved;
    others += after[i] != 7 ? 1 : 0;
  }
  // With cells a few meet.
  EXPECT_LE(others, GetParam() <= 32 ? 0 : 50000 / 500);
  EXPECT_TRUE(moved > 0 || GetParam() > 1000);
}

// Of cells a few meet when one goes for good, and with 32 nodes there are none.
TEST_P(Tables, TakingTheRowOutMovesFewOthers) {
  if (GetParam() == 33) return;
  constexpr int kCameras = 50000;
  place::Rows rows = many(GetParam());
  const std::vector<Index> before = World(rows, unbound()).choices(kCameras);
  const Index lost = static_cast<Index>(rows.nodes.size()) - 1;
  rows.nodes.pop_back();
  const std::vector<Index> after = World(rows, unbound()).choices(kCameras);
  int others = 0;
  for (std::size_t i = 0; i < before.size(); ++i) others += before[i] != lost && after[i] != before[i] ? 1 : 0;
  EXPECT_LE(others, GetParam() <= 32 ? 0 : kCameras / 100);
}

TEST_P(Tables, TheOnlyOneThatMayServeServesAll) {
  World world(many(GetParam()));
  for (const Index only : {Index{0}, static_cast<Index>(GetParam() / 2), static_cast<Index>(GetParam() - 1)}) {
    fill(world, [&](Index node) { return node != only; });
    for (const Index node : world.choices(20)) EXPECT_EQ(node, only);
  }
  fill(world, [](Index) { return true; });
  for (const Index node : world.choices(20)) EXPECT_EQ(node, kNone);
}

TEST_P(Tables, FewEligibleShareByWeight) {
  World world(many(GetParam()), unbound());
  const std::size_t step = std::max<std::size_t>(4, GetParam() / 10);  // at most ten are left
  fill(world, [&](Index node) { return node % step != 0; });
  std::map<Index, int> counts;
  constexpr int kCameras = 4000;
  for (const Index node : world.choices(kCameras)) ++counts[node];
  double sum = 0;
  for (std::size_t i = 0; i < GetParam(); i += step) sum += 100 << i % 3;
  for (std::size_t i = 0; i < GetParam(); i += step) {
    const double expected = kCameras * (100 << i % 3) / sum;
    EXPECT_LT(std::abs(counts[static_cast<Index>(i)] - expected), 4.5 * std::sqrt(expected)) << i;
  }
}

TEST_P(Tables, NoChoiceAllocates) {
  World world(many(GetParam()));
  const Query q = world.query("g");
  Choice next[2];
  for (const std::size_t step : {1UL, 3UL, GetParam() / 2, GetParam()}) {
    fill(world, [&](Index node) { return node % step != 0; });
    const std::size_t before = test::allocations();
    const auto choice = world.balancer.select(q, world.live);
    ASSERT_TRUE(choice);
    world.live.redirected(*choice, q.partner, q.key);
    world.balancer.alternates(q, world.live, *choice, next);
    EXPECT_EQ(test::allocations(), before);
  }
}

// A million to one, and weights that are next to nothing.
TEST(SkewedTables, HonoursWeightsAMillionToOne) {
  std::vector<double> weights(40, 1);
  weights[3] = 1e6;
  weights[4] = 5e5;
  weights[5] = 1e-300;
  weights[6] = 5e-324;
  World world(weighted(weights), unbound());
  std::vector<int> counts(weights.size());
  constexpr int kCameras = 1000000;
  for (const Index node : world.choices(kCameras)) ++counts[node];
  EXPECT_NEAR(counts[3], kCameras * 2 / 3.0, 4.5 * std::sqrt(kCameras * 2 / 9.0));
  EXPECT_NEAR(counts[4], kCameras / 3.0, 4.5 * std::sqrt(kCameras * 2 / 9.0));
  int others = 0;
  for (std::size_t i = 7; i < counts.size(); ++i) others += counts[i];
  EXPECT_NEAR(others, 33 / 1.5, 4.5 * std::sqrt(22));
  EXPECT_EQ(counts[5] + counts[6], 0);
  for (const Index only : {5U, 6U}) {
    fill(world, [&](Index node) { return node != only; });
    EXPECT_EQ(world.choices(1)[0], only);
  }
}

TEST(SkewedTables, TheTinyServeWhereTheyAreAlone) {
  World world(weighted({5e-324, 5e-324}), unbound());
  EXPECT_NE(world.choices(1)[0], kNone);
}

}  // namespace
}  // namespace geo::balance
