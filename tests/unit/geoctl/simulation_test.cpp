#include "simulation.h"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include "figures.h"
#include "worlds.h"

namespace geoctl {
namespace {

using geo::place::Admin;
using std::chrono::seconds;
using test::add_node;
using test::ask_at;

constexpr Index kFirst = 0, kSecond = 1;

geo::place::Rows two_groups() {
  geo::place::Rows rows = test::rows();
  add_node(rows, "near", "here");
  add_node(rows, "far", "there");
  return rows;
}

TEST(Simulation, AsksGeodsOwnCode) {
  Simulation simulation(test::snapshot_of(two_groups()), {});
  const Pick pick = simulation.serve(ask_at(1));
  EXPECT_EQ(pick.node, kFirst);
  EXPECT_EQ(pick.group, pick.own_group);
  EXPECT_NEAR(*pick.distance_km, 6371 * 3.14159265 / 18, 0.1);  // 10 degrees of the equator
}

TEST(Simulation, NodeThatIsDownSpillsUntilItIsUp) {
  SimulationSettings settings;
  settings.events = {{seconds(20), Admin::online, kFirst}, {seconds(10), Admin::offline, kFirst}};
  Simulation simulation(test::snapshot_of(two_groups()), settings);
  EXPECT_EQ(simulation.serve(ask_at(9.9)).node, kFirst);
  const Pick spilled = simulation.serve(ask_at(10));
  EXPECT_EQ(spilled.node, kSecond);
  EXPECT_NE(spilled.group, spilled.own_group);
  EXPECT_EQ(simulation.serve(ask_at(20)).node, kFirst);
}

TEST(Simulation, StreamsOfANodeThatGoesDownEndAndItsOldEndsCountNoMore) {
  geo::place::Rows rows = test::rows();
  add_node(rows, "only", "here");
  rows.nodes[0].capacity = 2;
  SimulationSettings settings;
  settings.events = {{seconds(10), Admin::offline, kFirst}, {seconds(20), Admin::online, kFirst}};
  Simulation simulation(test::snapshot_of(rows), settings);
  for (const double at : {1.0, 2.0}) EXPECT_EQ(simulation.serve(ask_at(at, "1", 40)).node, kFirst);
  EXPECT_TRUE(simulation.serve(ask_at(3)).refused) << "its capacity is used up";
  EXPECT_TRUE(simulation.serve(ask_at(15)).refused) << "it is down";
  for (const double at : {32.0, 33.0}) EXPECT_EQ(simulation.serve(ask_at(at)).node, kFirst) << "it is empty";
  EXPECT_TRUE(simulation.serve(ask_at(60)).refused)
      << "its two streams run on; those that began before it went did not";
  EXPECT_EQ(simulation.running_max()[kFirst], 2U);
}

TEST(Simulation, NodeThatDrainsKeepsItsStreams) {
  SimulationSettings settings;
  settings.events = {{seconds(10), Admin::drain, kFirst}};
  Simulation simulation(test::snapshot_of(two_groups()), settings);
  simulation.serve(ask_at(1));
  EXPECT_EQ(simulation.serve(ask_at(11)).node, kSecond);
  simulation.serve(ask_at(30));
  EXPECT_EQ(simulation.samples().back().running[kFirst], 1U);
}

TEST(Simulation, ReportsMakeRoomForWhatHasEnded) {
  geo::place::Rows rows = test::rows();
  add_node(rows, "only", "here");
  rows.nodes[0].capacity = 1;
  Simulation simulation(test::snapshot_of(rows), {});
  EXPECT_FALSE(simulation.serve(ask_at(1, "1", 2)).refused);
  EXPECT_TRUE(simulation.serve(ask_at(5.9)).refused) << "it ended at 3, was reported at 5 and will be read at 6";
  EXPECT_FALSE(simulation.serve(ask_at(6)).refused);
}

TEST(Simulation, WithoutReportsCapacityDoesNotBind) {
  geo::place::Rows rows = test::rows();
  add_node(rows, "only", "here");
  rows.nodes[0].capacity = 1;
  SimulationSettings settings;
  settings.reports = false;
  Simulation simulation(test::snapshot_of(rows), settings);
  for (int i = 1; i < 10; ++i) EXPECT_FALSE(simulation.serve(ask_at(i)).refused);
}

TEST(Simulation, SeveralGeodsKnowTheirOwnRedirectsAlone) {
  geo::place::Rows rows = test::rows();
  add_node(rows, "only", "here");
  rows.nodes[0].capacity = 1;
  SimulationSettings settings;
  settings.geods = 3;
  Simulation simulation(test::snapshot_of(rows), settings);
  for (int i = 0; i < 3; ++i) EXPECT_FALSE(simulation.serve(ask_at(1)).refused);
  EXPECT_TRUE(simulation.serve(ask_at(1)).refused);
}

TEST(Simulation, PeakIsByWeightAndAfterTheWarmUp) {
  geo::place::Rows rows = test::rows();
  add_node(rows, "a", "here", 300);
  add_node(rows, "b", "here", 100);
  geo::balance::Settings balance;
  balance.policy = geo::balance::Policy::least_loaded;
  SimulationSettings settings;
  settings.warm_up = seconds(10);
  Simulation simulation(test::snapshot_of(rows, balance), settings);
  simulation.serve(ask_at(1));  // one of them alone has all: 4/3 or 4
  EXPECT_FALSE(simulation.peak_over_mean());
  for (int i = 0; i < 3; ++i) simulation.serve(ask_at(2));
  simulation.serve(ask_at(11));
  ASSERT_TRUE(simulation.peak_over_mean());
  // three and one of four is even, five streams cannot be
  EXPECT_GT(*simulation.peak_over_mean(), 1);
  EXPECT_LE(*simulation.peak_over_mean(), 1.7);
}

TEST(Simulation, SamplesOfALongRunAreEvenAndFew) {
  Simulation simulation(test::snapshot_of(two_groups()), {});
  for (int second = 1; second <= 4000; ++second) simulation.serve(ask_at(second, "1", 1000));
  const auto& samples = simulation.samples();
  EXPECT_GT(samples.size(), 200U);
  EXPECT_LE(samples.size(), 512U);
  const Micros step = samples[1].at - samples[0].at;
  for (std::size_t i = 0; i < samples.size(); ++i) {
    EXPECT_EQ(samples[i].at, static_cast<int>(i) * step);
    ASSERT_EQ(samples[i].running.size(), 2U);
    EXPECT_LE(samples[i].running[kFirst], 1000U);
  }
  EXPECT_GT(samples.back().at, seconds(3900));
}

TEST(Figures, CountWhatIsServed) {
  geo::place::Rows rows = two_groups();
  add_node(rows, "archive", "here");
  rows.patterns.push_back({"archive", {}, ""});
  rows.nodes.back().patterns = {"archive"};
  SimulationSettings settings;
  settings.events = {{seconds(10), Admin::offline, kFirst}, {seconds(20), Admin::offline, kSecond}};
  const geo::redirect::Snapshot snapshot = test::snapshot_of(rows);
  Simulation simulation(snapshot, settings);
  Figures figures(snapshot.topology);
  for (const double at : {1.0, 2.0, 11.0, 21.0}) {
    Ask ask = ask_at(at);
    figures.count(ask, simulation.serve(ask));
  }
  EXPECT_EQ(
      figures.json(5, simulation),
      R"({"seed":5,"requests":4,"refused":{"no_node":1},"nodes":[)"
      R"({"node":"archive","group":"here","requests":0,"share_percent":0.000,"weight_percent":0.000,"running_max":0},)"
      R"({"node":"near","group":"here","requests":2,"share_percent":100.000,"weight_percent":100.000,"running_max":2},)"
      R"({"node":"far","group":"there","requests":1,"share_percent":100.000,"weight_percent":100.000,"running_max":1}],)"
      R"("peak_over_mean":)" +
          fmt::format("{:.3f}", *simulation.peak_over_mean()) +
          R"(,"distance_km":{"median":1111.9,"p90":8895.6,"p99":8895.6},"spill_percent":33.333,"nodes_per_camera":2.000})");
}

}  // namespace
}  // namespace geoctl
