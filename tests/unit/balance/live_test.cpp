// What is under way, who is up and why, slow start and damping.
#include "geo/balance/live.h"

#include <gtest/gtest.h>

#include <atomic>
#include <thread>

#include "world.h"

namespace geo::balance {
namespace {

using Told = std::vector<std::string>;

place::Rows with_capacity(std::vector<std::int64_t> capacities) {
  place::Rows rows = alike(capacities.size());
  for (std::size_t i = 0; i < capacities.size(); ++i) rows.nodes[i].capacity = capacities[i];
  return rows;
}

// ---- under way ----

TEST(UnderWay, IsTheReportsSessionsAndTheRedirectsSince) {
  World world(alike(2));
  world.redirect("n0", 7);
  world.tick(seconds(10));
  world.report("n0", 100);
  world.tick(seconds(1));
  EXPECT_EQ(world.under_way("n0"), 100);  // the seven are among the sessions
  world.redirect("n0", 3);
  EXPECT_EQ(world.under_way("n0"), 103);  // at once
  EXPECT_EQ(world.under_way("n1"), 0);
  world.tick(seconds(1));
  world.report("n0", 103);
  world.tick(seconds(1));
  EXPECT_EQ(world.under_way("n0"), 103);
}

TEST(UnderWay, CountsFromWhenTheReportWasMadeNotFromWhenItCame) {
  World world(alike(1));
  for (int second = 0; second < 8; ++second) {
    world.tick(seconds(1));
    world.redirect("n0", 10);
  }
  world.tick(seconds(1));
  world.report_at("n0", world.now - seconds(4), 1000);
  world.tick(milliseconds(100));
  EXPECT_EQ(world.under_way("n0"), 1040);
}

// The first report of a node whose reports had been missing.
TEST(UnderWay, TheFirstReportIsNoLessKnownThanLaterOnes) {
  World world(alike(2));
  for (int second = 0; second < 30; ++second) {
    world.tick(seconds(1));
    world.redirect("n0", 1);
  }
  world.tick(seconds(1));
  world.report_at("n0", world.now - seconds(10), 500);
  world.tick();
  EXPECT_EQ(world.under_way("n0"), 510);
}

TEST(UnderWay, AReportOlderThanAllThatIsRememberedHasAllRedirects) {
  Settings settings;
  settings.report_max_age = seconds(3600);
  World world(alike(1), settings);
  world.redirect("n0", 5);
  world.tick(seconds(1));
  world.report_at("n0", -seconds(60), 10);
  world.tick(seconds(1));
  EXPECT_EQ(world.under_way("n0"), 15);
}

TEST(UnderWay, WithoutAReportRedirectsFadeByHalfInEachHalfLife) {
  World world(alike(1));
  world.redirect("n0", 1000);
  EXPECT_EQ(world.under_way("n0"), 1000);
  for (int i = 0; i < 300; ++i) world.tick(milliseconds(200));
  EXPECT_NEAR(static_cast<double>(world.under_way("n0")), 500, 2);
  world.tick(seconds(60));
  EXPECT_NEAR(static_cast<double>(world.under_way("n0")), 250, 2);
  for (int i = 0; i < 60; ++i) world.tick(seconds(60));
  EXPECT_EQ(world.under_way("n0"), 0);
}

TEST(UnderWay, AReportPastItsAgeIsNone) {
  World world(alike(2));
  world.report("n0", 100);
  world.report("n1", 100);
  world.tick();
  EXPECT_EQ(world.under_way("n0"), 100);
  world.redirect("n0", 4);
  world.tick(seconds(15));
  EXPECT_EQ(world.under_way("n0"), 104);
  world.tick(seconds(1));
  EXPECT_EQ(world.under_way("n0"), 3);  // 4, faded for 16 s
}

TEST(UnderWay, LoadWithoutSessionsStandsForThatPartOfTheCapacity) {
  place::Rows rows = with_capacity({2000, 2000});
  rows.nodes[1].capacity.reset();
  World world(rows);
  world.report("n0", {}, 0.25);
  world.report("n1", {}, 0.25);
  world.tick();
  world.redirect("n0"), world.redirect("n1");
  EXPECT_EQ(world.under_way("n0"), 501);
  EXPECT_EQ(world.under_way("n1"), 1);  // 0.25 of what is not known
}

TEST(UnderWay, SessionsGoBeforeLoad) {
  World world(with_capacity({1000}));
  world.report("n0", 7, 0.9);
  world.tick();
  EXPECT_EQ(world.under_way("n0"), 7);
}

TEST(UnderWay, NumbersOfAnySizeAreBorne) {
  World world(with_capacity({INT64_MAX, INT64_MAX, INT64_MAX}));
  world.report("n0", INT64_MAX);
  world.report("n1", {}, 1e300);
  world.report("n2", INT64_MAX);
  world.tick();
  world.redirect("n0", 10);
  world.tick(seconds(1));
  EXPECT_GT(world.under_way("n0"), std::int64_t{1} << 40);
  EXPECT_EQ(world.ask(world.query("g")), world.ask(world.query("g")));
}

// Ticks come as often as they like, for as long as reports may last.
TEST(UnderWay, IsRememberedAsFinelyHoweverOftenItTicks) {
  Settings settings;
  settings.report_max_age = seconds(640);
  World world(alike(1), settings);
  for (int i = 0; i < 6400; ++i) {
    world.redirect("n0");
    world.tick(milliseconds(100));
  }
  world.report_at("n0", world.now - seconds(300), 0);
  world.tick();
  EXPECT_NEAR(static_cast<double>(world.under_way("n0")), 3000, 2);
}

TEST(UnderWay, AClockThatIsPutBackIsBorne) {
  World world(alike(1));
  world.redirect("n0", 5);
  world.report("n0", 5);
  world.tick(seconds(5));
  world.live.tick(kNow - seconds(3600), MonotonicTime{} + seconds(6));
  world.live.reported({{"n0", kNow - seconds(3600), true, 9, {}}});
  world.live.tick(kNow - seconds(3599), MonotonicTime{} + seconds(7));
  EXPECT_EQ(world.under_way("n0"), 9);
}

// ---- capacity ----

TEST(Capacity, BindsAtOnceWhereItIsKnownWhatIsUnderWay) {
  World world(with_capacity({100, 100000}));
  world.report("n0", 98);
  world.report("n1", 0);
  world.tick();
  EXPECT_NE(world.reasons(world.query("g")).at("n0"), "full");
  world.redirect("n0", 2);
  EXPECT_EQ(world.reasons(world.query("g")), (Reasons{{"n0", "full"}, {"n1", "chosen"}}));
}

TEST(Capacity, DoesNotBindWithoutAReport) {
  World world(with_capacity({1, 1}));
  world.redirect("n0", 50);
  world.redirect("n1", 50);
  world.tick(seconds(1));
  EXPECT_NE(world.ask(world.query("g")), "-");
  EXPECT_EQ(world.reasons(world.query("g")).count("n0"), 1U);
  for (const auto& [id, reason] : world.reasons(world.query("g"))) EXPECT_NE(reason, "full") << id;
}

TEST(Capacity, ALoadOfOneIsFullWithAndWithoutCapacity) {
  place::Rows rows = with_capacity({100, 100, 100});
  rows.nodes[1].capacity.reset();
  World world(rows);
  world.report("n0", 3, 1.0);
  world.report("n1", {}, 1.5);
  world.report("n2", {}, 0.99);
  world.tick();
  EXPECT_EQ(world.reasons(world.query("g")), (Reasons{{"n0", "full"}, {"n1", "full"}, {"n2", "chosen"}}));
}

TEST(Capacity, AGroupThatIsFullSpillsToItsFallbacks) {
  place::Rows rows = scene::small_map();
  for (place::Node& each : rows.nodes) each.capacity = 10;
  World world(rows);
  world.report("msk-1", 9);
  world.report("msk-2", 9);
  world.tick();
  world.redirect("msk-1"), world.redirect("msk-2");
  EXPECT_EQ(world.reasons(world.query("ru-msk")), (Reasons{{"msk-1", "full"}, {"msk-2", "full"}, {"spb-1", "chosen"}}));
}

// ---- reports ----

TEST(Reports, OfTheStoresAndTheChecksTheNewerWins) {
  World world(alike(2));
  world.report("n0", 10);
  world.check("n0", true, Report{"n0", kNow + seconds(2), true, 20, {}});
  world.tick(seconds(2));
  EXPECT_EQ(world.under_way("n0"), 20);
  EXPECT_EQ(world.live.report_of(world.index("n0"))->sessions, 20);
  world.report_at("n0", seconds(3), 30);
  world.tick(seconds(1));
  EXPECT_EQ(world.under_way("n0"), 30);
  world.check("n0", true, Report{"n0", kNow + seconds(1), true, 40, {}});
  world.tick();
  EXPECT_EQ(world.under_way("n0"), 30);
}

TEST(Reports, WhatACheckOnceSaidMakesNobodyStale) {
  World world(alike(2));
  world.check("n0", true, Report{"n0", kNow, true, 20, {}});
  world.report("n1", 5);
  world.tick();
  EXPECT_EQ(world.under_way("n0"), 20);
  world.report_at("n1", seconds(100), 5);
  world.tick(seconds(100));
  EXPECT_EQ(world.state("n0"), State::up);
  EXPECT_EQ(world.under_way("n0"), 0);
  EXPECT_FALSE(world.live.report_of(world.index("n0")));
}

TEST(Reports, OneThatIsTooOldOrTooFarAheadIsStale) {
  Settings settings;
  settings.panic_percent = 0;
  World world(alike(3), settings);
  world.report_at("n0", -seconds(16));
  world.report_at("n1", seconds(16));
  world.report("n2");
  world.tick();
  EXPECT_EQ(world.state("n0"), State::stale);
  EXPECT_EQ(world.state("n1"), State::stale);
  EXPECT_EQ(world.state("n2"), State::up);
  EXPECT_EQ(world.reasons(world.query("g")), (Reasons{{"n0", "stale"}, {"n1", "stale"}, {"n2", "chosen"}}));
}

TEST(Reports, ANodeWhoseRowWentIsUnknownAndServes) {
  World world(alike(2));
  world.report("n0", 5, {}, false);
  world.report("n1", 5);
  world.tick();
  EXPECT_EQ(world.state("n0"), State::unhealthy);
  world.live.reported({});
  world.tick(seconds(1));
  EXPECT_EQ(world.state("n0"), State::up);
}

TEST(Reports, WhereAllAreOldTheyFailedNotTheNodes) {
  place::Rows rows = alike(4);
  rows.nodes[3].admin = place::Admin::drain;  // not admissible: its young row says nothing
  World world(rows);
  for (const char* id : {"n0", "n1"}) world.report(id, 5);
  world.tick(seconds(20));
  world.report("n3", 5);
  world.tick(seconds(1));
  EXPECT_EQ(world.state("n0"), State::stale);
  const Reasons reasons = world.reasons(world.query("g"));
  for (const char* id : {"n0", "n1", "n2"}) EXPECT_NE(reasons.at(id), "stale") << id;
  EXPECT_EQ(reasons.at("n3"), "drained");
}

// The reports of a node that fails its checks are as old as the others'.
TEST(Reports, ThatAllAreOldIsSoWhateverChecksSay) {
  World world(alike(3));
  for (const char* id : {"n0", "n1", "n2"}) world.report(id, 5);
  world.check("n2", false), world.check("n2", false);
  world.tick(seconds(20));
  const Reasons reasons = world.reasons(world.query("g"));
  EXPECT_EQ(reasons.at("n2"), "unhealthy");
  EXPECT_NE(reasons.at("n0"), "stale");
  EXPECT_NE(reasons.at("n1"), "stale");
}

// While reports stop and come back one after the other, nobody has fallen and returned.
TEST(Reports, AStoreThatStopsAndComesBackDampsNobody) {
  World world(alike(2));
  world.report("n0", 0), world.report("n1", 0);
  world.tick();
  world.report_at("n1", seconds(1), 0);
  world.tick(seconds(1));
  world.tick(milliseconds(14500));  // n0's is too old, n1's is not
  EXPECT_EQ(world.state("n0"), State::stale);
  world.tick(seconds(10));  // both are
  for (int i = 0; i < 5; ++i) world.tick(seconds(1));
  world.report("n1", 0);
  world.tick(seconds(1));  // n0 is late
  world.report("n0", 0);
  world.tick(seconds(1));
  EXPECT_EQ(world.state("n0"), State::up);
  EXPECT_EQ(world.state("n1"), State::up);
}

TEST(Reports, SomebodyElsesNodesReportsAreNobodys) {
  World world(alike(1));
  world.live.reported({{"stranger", kNow, false, 5, {}}});
  EXPECT_TRUE(world.tick().empty());
  EXPECT_EQ(world.state("n0"), State::up);
}

// ---- health ----

TEST(Health, RiseAndFallCountInARow) {
  Settings settings;
  settings.rise = 3, settings.fall = 2;
  World world(alike(2), settings);
  const auto after = [&](bool passed) {
    world.check("n0", passed);
    world.tick(seconds(2));
    return world.state("n0");
  };
  EXPECT_EQ(after(false), State::up);
  EXPECT_EQ(after(true), State::up);
  EXPECT_EQ(after(false), State::up);
  EXPECT_EQ(after(false), State::unhealthy);
  EXPECT_EQ(after(true), State::unhealthy);
  EXPECT_EQ(after(true), State::unhealthy);
  EXPECT_EQ(after(false), State::unhealthy);
  EXPECT_EQ(after(true), State::unhealthy);
  EXPECT_EQ(after(true), State::unhealthy);
  EXPECT_EQ(after(true), State::up);
}

TEST(Health, OnlineFalseIsUnhealthyAtOnceAndUpAtOnce) {
  World world(alike(2));
  world.report("n0", 0, {}, false);
  EXPECT_EQ(world.tick_told(), (Told{"n0 up > unhealthy (report)"}));
  world.report("n0", 0);
  EXPECT_EQ(world.tick_told(seconds(1)), (Told{"n0 unhealthy > up (report)"}));
}

TEST(Health, EachChangeIsToldOnceWithItsReason) {
  World world(alike(3));
  world.check("n0", false), world.check("n0", false);
  world.report("n1", 0, {}, false);
  world.report_at("n2", -seconds(60));
  EXPECT_EQ(world.tick_told(),
            (Told{"n0 up > unhealthy (check)", "n1 up > unhealthy (report)", "n2 up > stale (report)"}));
  for (int i = 0; i < 5; ++i) EXPECT_EQ(world.tick_told(milliseconds(200)), Told{});
  world.check("n0", true), world.check("n0", true);
  EXPECT_EQ(world.tick_told(), (Told{"n0 unhealthy > up (check)"}));
  EXPECT_EQ(world.live.status(world.index("n0")).since, kNow + seconds(1));
  EXPECT_FALSE(World(alike(1)).live.status(0).since);  // ever since the start
}

TEST(Health, WhoIsNoLongerCheckedIsNotDownByChecks) {
  World world(alike(2));
  world.check("n0", false), world.check("n0", false);
  world.check("n1", true, Report{"n1", kNow, true, 20, {}});
  world.tick();
  ASSERT_EQ(world.state("n0"), State::unhealthy);
  world.live.not_checked(world.index("n0")), world.live.not_checked(world.index("n1"));
  EXPECT_EQ(world.tick_told(), (Told{"n0 unhealthy > up (check)"}));
  EXPECT_FALSE(world.live.report_of(world.index("n1")));
}

TEST(Health, AdminGoesBeforeAllElse) {
  place::Rows rows = alike(3);
  rows.nodes[0].admin = place::Admin::drain;
  rows.nodes[1].admin = place::Admin::offline;
  World world(rows);
  world.check("n0", false), world.check("n0", false);
  EXPECT_EQ(world.tick_told(), Told{});
  EXPECT_EQ(world.state("n0"), State::drain);
  EXPECT_EQ(world.state("n1"), State::offline);
  World next(alike(3), world);
  EXPECT_EQ(next.tick_told(seconds(1)), (Told{"n0 drain > unhealthy (check)", "n1 offline > up (admin)"}));
  // what `admin` let back takes all its cameras at once
  EXPECT_EQ(next.choices(300), World(alike(3), unbound(), {{"n0", kNow, false, {}, {}}}).choices(300));
}

// ---- damping ----

TEST(Damping, WhoFallsAgainWithinAMinuteStaysDownUntilGoodForAMinute) {
  World world(alike(2));
  const auto fall = [&] { world.report("n0", 0, {}, false); };
  const auto rise = [&] { world.report("n0", 0); };
  fall();
  world.tick(seconds(1));
  rise();
  world.tick(seconds(1));
  EXPECT_EQ(world.state("n0"), State::up);  // the first return is at once
  world.report_at("n0", world.now + seconds(59), 0, {}, false);
  world.tick(seconds(59));
  EXPECT_EQ(world.state("n0"), State::unhealthy);
  for (int i = 0; i < 60; ++i) {
    world.report_at("n0", world.now + seconds(1), 0);
    EXPECT_EQ(world.tick_told(seconds(1)), Told{}) << i;
  }
  EXPECT_EQ(world.live.status(world.index("n0")).because, Because::damping);
  EXPECT_EQ(world.reasons(world.query("g")).at("n0"), "unhealthy");
  rise();
  EXPECT_EQ(world.tick_told(seconds(1)), (Told{"n0 unhealthy > up (damping)"}));
}

TEST(Damping, WhoFallsAMinuteAfterItsReturnIsNotDamped) {
  World world(alike(2));
  world.report("n0", 0, {}, false);
  world.tick(seconds(1));
  world.report("n0", 0);
  world.tick(seconds(1));
  world.report_at("n0", world.now + seconds(60), 0, {}, false);
  world.tick(seconds(60));
  EXPECT_EQ(world.state("n0"), State::unhealthy);
  world.report("n0", 0);
  world.tick(seconds(1));
  EXPECT_EQ(world.state("n0"), State::up);
}

TEST(Damping, ASecondOfTroubleBeginsTheMinuteAnew) {
  World world(alike(2));
  for (const bool online : {false, true, false}) {
    world.report("n0", 0, {}, online);
    world.tick(seconds(1));
  }
  for (int i = 0; i < 50; ++i) {
    world.report("n0", 0);
    world.tick(seconds(1));
  }
  world.report("n0", 0, {}, false);
  world.tick(seconds(1));
  for (int i = 0; i < 60; ++i) {
    world.report("n0", 0);
    world.tick(seconds(1));
    EXPECT_EQ(world.state("n0"), State::unhealthy);
  }
  world.report("n0", 0);
  world.tick(seconds(1));
  EXPECT_EQ(world.state("n0"), State::up);
}

int changes_of_flapper(World& world, const auto& flap) {
  int changes = 0;
  for (int i = 0; i < 1000; ++i) {
    flap(i % 2 == 0);
    const std::vector<std::string> told = world.tick_told(milliseconds(500));
    EXPECT_TRUE(told.empty() || i < 10) << i << ": " << told[0];
    changes += static_cast<int>(told.size());
  }
  return changes;
}

TEST(Damping, A1HzFlapperChangesStateAtMostThreeTimesThenNotAtAll) {
  Settings settings;
  settings.rise = settings.fall = 1;
  World by_check(alike(2), settings), by_report(alike(2)), by_age(alike(2));
  EXPECT_LE(changes_of_flapper(by_check, [&](bool down) { by_check.check("n0", !down); }), 3);
  EXPECT_LE(changes_of_flapper(by_report, [&](bool down) { by_report.report("n0", 0, {}, !down); }), 3);
  EXPECT_LE(changes_of_flapper(by_age,
                               [&](bool down) {
                                 by_age.report("n1", 0);
                                 by_age.report_at("n0", by_age.now - seconds(down ? 30 : 0), 0);
                               }),
            3);
}

// ---- slow start ----

// How many of 1000 cameras of each node are served by it.
TEST(SlowStart, RampsByCameraFromNoneToAllAndNobodyMovesBack) {
  Settings settings = unbound();
  World world(alike(4), settings);
  const std::vector<Index> whole = world.choices(2000);
  world.report("n1", 0, {}, false);
  world.tick(seconds(1));
  const std::vector<Index> without = world.choices(2000);
  world.report("n1", 0);
  world.tick(seconds(1));
  EXPECT_EQ(world.choices(2000), without);  // just returned: nobody yet
  std::vector<Index> before = without;
  for (int i = 0; i < 30; ++i) {
    world.report("n1", 0);
    world.tick(seconds(1));
    const std::vector<Index> now = world.choices(2000);
    EXPECT_EQ(now, world.choices(2000));  // never at random
    int own = 0, served = 0;
    for (std::size_t camera = 0; camera < now.size(); ++camera) {
      ASSERT_TRUE(now[camera] == before[camera] || (now[camera] == 1 && whole[camera] == 1));
      own += whole[camera] == 1 ? 1 : 0;
      served += now[camera] == 1 ? 1 : 0;
    }
    EXPECT_NEAR(static_cast<double>(served) / own, (i + 1) / 30.0, 0.1);
    before = now;
  }
  EXPECT_EQ(before, whole);
}

TEST(SlowStart, IsNoneAtTheStartAndNoneWhereItIsOff) {
  World world(alike(4), unbound());
  for (const char* id : {"n0", "n1", "n2", "n3"}) world.check(id, true);
  const std::vector<Index> at_first = World(alike(4), unbound()).choices(500);
  world.tick(milliseconds(1));
  EXPECT_EQ(world.choices(500), at_first);
  Settings off = unbound();
  off.slow_start = seconds(0);
  World at_once(alike(4), off);
  at_once.report("n1", 0, {}, false);
  at_once.tick(seconds(1));
  at_once.report("n1", 0);
  at_once.tick(seconds(1));
  EXPECT_EQ(at_once.choices(500), at_first);
}

TEST(SlowStart, WhereNobodyElseMayServeItServes) {
  World world(alike(1));
  world.report("n0", 0, {}, false);
  world.tick(seconds(1));
  world.report("n0", 0);
  world.tick(seconds(1));
  for (int camera = 0; camera < 50; ++camera) EXPECT_EQ(world.ask(world.query("g", std::to_string(camera))), "n0");
}

// ---- panic ----

struct Panic : testing::Test {
  // Of Moscow's two nodes and St. Petersburg's two, those are down.
  static World world(const std::vector<std::string>& down, double panic_percent = 60) {
    place::Rows rows = scene::small_map();
    rows.nodes.push_back(node("spb-2", "ru-spb"));
    Settings settings;
    settings.panic_percent = panic_percent;
    std::vector<Report> reports;
    for (const std::string& id : down) reports.push_back({id, kNow, false, {}, {}});
    return World(rows, settings, reports);
  }
};

TEST_F(Panic, AGroupThatIsTooLittleHealthyComesAfterItsFallbacks) {
  const World w = world({"msk-1"});
  for (int camera = 0; camera < 20; ++camera)
    EXPECT_EQ(w.ask(w.query("ru-msk", std::to_string(camera))).substr(0, 3), "spb");
  EXPECT_EQ(w.reasons(w.query("ru-msk")).at("msk-1"), "unhealthy");
  EXPECT_EQ(w.reasons(w.query("ru-msk")).size(), 4U);
}

TEST_F(Panic, ExactlyAtTheThresholdIsNotBelow) {
  const World w = world({"msk-1"}, 50);
  EXPECT_EQ(w.ask(w.query("ru-msk")), "msk-2");
}

TEST_F(Panic, WhereNoneIsAboveItHealthAloneIsIgnoredInTheFirstGroup) {
  const World w = world({"msk-1", "spb-1"});
  std::set<std::string> chosen;
  for (int camera = 0; camera < 50; ++camera) chosen.insert(w.ask(w.query("ru-msk", std::to_string(camera))));
  EXPECT_EQ(chosen, (std::set<std::string>{"msk-1", "msk-2"}));
}

TEST_F(Panic, WhereTheFirstGroupHasNobodyTheNextOnesHealthIsIgnored) {
  place::Rows rows = scene::small_map();
  for (place::Node& each : rows.nodes)
    if (each.group == "ru-msk") each.admin = place::Admin::drain;
  World w(rows);
  w.report("spb-1", 0, {}, false);
  w.tick();
  EXPECT_EQ(w.ask(w.query("ru-msk")), "spb-1");
}

TEST_F(Panic, HealthIsNotIgnoredWhereAFallbackIsAboveItAndFull) {
  place::Rows rows = scene::small_map();
  for (place::Node& each : rows.nodes)
    if (each.group == "ru-spb") each.capacity = 1;
  World w(rows);
  for (const char* id : {"msk-1", "msk-2"}) w.report(id, 0, {}, false);
  w.report("spb-1", 1);
  w.tick();
  EXPECT_EQ(w.reasons(w.query("ru-msk")), (Reasons{{"msk-1", "unhealthy"}, {"msk-2", "unhealthy"}, {"spb-1", "full"}}));
}

TEST_F(Panic, AllElseStillBinds) {
  place::Rows rows = scene::small_map();
  rows.groups[0].fallback.clear();
  rows.groups[0].forbid = {{"RU", "US"}};
  rows.nodes[0].country = "US";
  for (const char* id : {"msk-3", "msk-4"}) rows.nodes.push_back(node(id, "ru-msk"));
  rows.nodes[4].capacity = 5;
  rows.nodes[5].admin = place::Admin::offline;
  rows.nodes[1].weight = 200;
  World w(rows);
  for (const char* id : {"msk-1", "msk-2", "msk-4"}) w.report(id, 0, {}, false);
  w.report("msk-3", 5);
  w.tick();
  Query q = w.query("ru-msk");
  q.client_country = "RU";
  EXPECT_EQ(w.reasons(q),
            (Reasons{{"msk-1", "forbidden"}, {"msk-2", "chosen"}, {"msk-3", "full"}, {"msk-4", "offline"}}));
}

TEST_F(Panic, NullPercentKnowsNoPanic) {
  const World w = world({"msk-1", "msk-2", "spb-1", "spb-2"}, 0);
  EXPECT_EQ(w.ask(w.query("ru-msk")), "-");
}

TEST_F(Panic, CountsTheAdmissibleAlone) {
  place::Rows rows = scene::small_map();
  for (int i = 3; i < 9; ++i) rows.nodes.push_back(node("msk-" + std::to_string(i), "ru-msk"));
  for (std::size_t i = 4; i < rows.nodes.size(); ++i) {
    place::Node& out = rows.nodes[i];
    if (i % 3 == 0) out.admin = place::Admin::offline;
    if (i % 3 == 1) out.formats = {"hls"};
    if (i % 3 == 2) out.forbid = {{"*", "*"}};
  }
  World w(rows);
  for (std::size_t i = 4; i < rows.nodes.size(); ++i) w.report(rows.nodes[i].id, 0, {}, false);
  w.tick();
  EXPECT_EQ(w.ask(w.query("ru-msk")).substr(0, 3), "msk");
  w.report("msk-1", 0, {}, false);
  w.tick(seconds(1));
  EXPECT_EQ(w.ask(w.query("ru-msk")), "msk-2");  // a half is enough
}

// ---- quota ----

struct Quota : testing::Test {
  static place::Rows rows() {
    place::Rows rows = scene::small_map();
    for (place::Node& each : rows.nodes) each.capacity = 50;
    place::Partner acme;
    acme.id = "acme";
    acme.max_share = 0.2;  // 20 of Moscow's 100
    rows.partners.push_back(acme);
    return rows;
  }
  static Query of_acme(const World& world) {
    Query q = world.query("ru-msk");
    q.partner = world.topology->find_partner("acme");
    return q;
  }
};

TEST_F(Quota, APartnerHasItsShareOfTheGroupAndThenSpills) {
  World world(rows());
  world.redirect("msk-1", 10, "acme"), world.redirect("msk-2", 9, "acme");
  EXPECT_EQ(world.ask(of_acme(world)).substr(0, 3), "msk");
  world.redirect("msk-1", 1, "acme");
  EXPECT_EQ(world.reasons(of_acme(world)), (Reasons{{"msk-1", "quota"}, {"msk-2", "quota"}, {"spb-1", "chosen"}}));
  EXPECT_EQ(world.ask(world.query("ru-msk")).substr(0, 3), "msk");  // others are not bound by it
}

TEST_F(Quota, FadesAndReportsDoNotResetIt) {
  World world(rows());
  world.redirect("msk-1", 20, "acme");
  world.report("msk-1", 0), world.report("msk-2", 0);
  world.tick(seconds(1));
  world.redirect("msk-1", 1, "acme");
  EXPECT_EQ(world.ask(of_acme(world)), "spb-1");
  for (int i = 0; i < 30; ++i) world.tick(seconds(1));
  EXPECT_EQ(world.ask(of_acme(world)).substr(0, 3), "msk");
}

TEST_F(Quota, WithoutCapacityThereIsNone) {
  place::Rows none = rows();
  for (place::Node& each : none.nodes) each.capacity.reset();
  World world(none);
  world.redirect("msk-1", 1000, "acme");
  EXPECT_EQ(world.ask(of_acme(world)).substr(0, 3), "msk");
}

// ---- another topology ----

TEST(CarriedOver, WhatIsKnownOfANodeStaysByItsId) {
  World before(alike(4), unbound());
  before.redirect("n1", 40);
  before.report("n2", 100);
  before.report("n3", 0, {}, false);
  before.tick(seconds(1));
  before.redirect("n2", 5);
  place::Rows rows = alike(5);
  std::swap(rows.nodes[0], rows.nodes[3]);
  rows.nodes.erase(rows.nodes.begin() + 3);  // n0 went, n4 came
  World after(rows, before);
  EXPECT_EQ(after.under_way("n1"), 40);
  EXPECT_EQ(after.under_way("n2"), 105);
  EXPECT_EQ(after.under_way("n4"), 0);
  EXPECT_EQ(after.reasons(after.query("g")).at("n3"), "unhealthy");  // before its first tick
  EXPECT_EQ(after.tick_told(milliseconds(200)), Told{});
  EXPECT_EQ(after.under_way("n2"), 105);
  after.report("n2", 105);
  after.tick(seconds(1));
  after.redirect("n2", 2);
  EXPECT_EQ(after.under_way("n2"), 107);
}

TEST(CarriedOver, DampingSlowStartAndQuotasGoOn) {
  place::Rows rows = Quota::rows();
  World before(rows);
  before.redirect("msk-1", 25, "acme");
  for (const bool online : {false, true, false, true}) {
    before.report("msk-2", 0, {}, online);
    before.tick(seconds(1));
  }
  EXPECT_EQ(before.state("msk-2"), State::unhealthy);
  rows.nodes.push_back(node("msk-3", "ru-msk"));
  rows.nodes.back().capacity = 1;
  World after(rows, before);
  after.tick(seconds(1));
  EXPECT_EQ(after.state("msk-2"), State::unhealthy);
  EXPECT_EQ(after.reasons(Quota::of_acme(after)).at("msk-1"), "quota");
}

// Requests on some threads while another hears and works out: all are counted.
TEST(Threads, ChooseWhileStatesChange) {
  constexpr int kThreads = 3, kRequests = 3000;
  World world(alike(40));
  std::vector<std::thread> threads;
  std::atomic<int> running{kThreads};
  for (int thread = 0; thread < kThreads; ++thread)
    threads.emplace_back([&, thread] {
      Query q = world.query("g");
      for (int i = 0; i < kRequests; ++i) {
        q.key = camera_key(std::to_string(thread), std::to_string(i));
        const auto choice = world.balancer.select(q, world.live);
        ASSERT_TRUE(choice);
        world.live.redirected(*choice, q.partner, q.key);
      }
      --running;
    });
  for (int i = 0; running > 0; ++i) {
    world.check("n1", i % 2 == 0);
    world.report("n0", i);
    world.tick();
    world.state("n2");
  }
  for (std::thread& thread : threads) thread.join();
  world.live.reported({});
  world.tick();
  std::int64_t sum = 0;
  for (const place::Node& each : world.topology->rows().nodes) sum += world.under_way(each.id);
  EXPECT_EQ(sum, kThreads * kRequests);
}

TEST(AnyoneEligible, IsWhereHealthIsIgnored) {
  World world(alike(2));
  for (const char* id : {"n0", "n1"}) world.report(id, 0, {}, false);
  world.tick();
  EXPECT_TRUE(world.live.anyone_eligible());
  EXPECT_NE(world.ask(world.query("g")), "-");
}

TEST(AnyoneEligible, IsNotWhereAllAreDown) {
  Settings settings;
  settings.panic_percent = 0;
  World world(alike(2), settings);
  EXPECT_TRUE(world.live.anyone_eligible());
  for (const char* id : {"n0", "n1"}) world.report(id, 0, {}, false);
  world.tick();
  EXPECT_FALSE(world.live.anyone_eligible());
  place::Rows rows = alike(2);
  for (place::Node& each : rows.nodes) each.admin = place::Admin::offline;
  EXPECT_FALSE(World(rows).live.anyone_eligible());
}

}  // namespace
}  // namespace geo::balance
