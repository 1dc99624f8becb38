#include "what_if.h"

#include <gtest/gtest.h>

#include "worlds.h"

namespace geoctl {
namespace {

using geo::place::Admin;

std::shared_ptr<const geo::compose::World> world() {
  geo::place::Rows rows = test::rows();
  for (const char* id : {"n1", "n2", "n3"}) test::add_node(rows, id, "here");
  auto world = std::make_shared<geo::compose::World>();
  world->snapshot = test::snapshot_of(std::move(rows));
  return world;
}

TEST(WhatIf, ActsAsAdminState) {
  const auto snapshot = WhatIfs::without(world(), {"n1"}, {"n2"});
  ASSERT_TRUE(snapshot);
  const geo::place::Topology& topology = *snapshot->topology;
  EXPECT_EQ(topology.node(topology.find_node("n1")).admin, Admin::offline);
  EXPECT_EQ(topology.node(topology.find_node("n2")).admin, Admin::drain);
  EXPECT_EQ(topology.node(topology.find_node("n3")).admin, Admin::online);
  EXPECT_EQ(&snapshot->live->balancer()->topology(), &topology);
}

TEST(WhatIf, NamesANodeThatIsNotThere) {
  const auto snapshot = WhatIfs::without(world(), {"n1", "n9"});
  ASSERT_FALSE(snapshot);
  EXPECT_EQ(snapshot.error().code, geo::ErrorCode::bad_request);
  EXPECT_EQ(snapshot.error().detail, "down: there is no node \"n9\"");
}

}  // namespace
}  // namespace geoctl
