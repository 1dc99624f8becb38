#include <gtest/gtest.h>

#include "geo/io/file.h"

namespace geo::io {
namespace {

using Kind = Difference::Kind;

Data town() {
  Data data;
  place::Node node;
  node.id = "node-1";
  node.group = "eu";
  data.topology.nodes = {node};
  data.cameras = {{"100-abcdef", "0", true, {"flv"}}, {"100-abcdef", "1", true, {"flv"}}};
  data.grants = {{{"user", "u1"}, "camera", "100-abcdef", "0", {"view"}}};
  return data;
}

}  // namespace

TEST(Differences, AreNoneBetweenEquals) { EXPECT_TRUE(differences(town(), town()).empty()); }

TEST(Differences, TellRowsOfOneSideAlone) {
  Data after = town();
  after.cameras.erase(after.cameras.begin());
  after.cameras.push_back({"100-abcdef", "2", true, {"flv"}});
  EXPECT_EQ(differences(town(), after), (std::vector<Difference>{{Kind::removed, "cameras", "100-abcdef/0", {}},
                                                                 {Kind::added, "cameras", "100-abcdef/2", {}}}));
}

TEST(Differences, TellValuesAsTomlHasThem) {
  Data after = town();
  after.topology.nodes[0].weight = 50;
  after.topology.nodes[0].capacity = 2000;
  after.topology.nodes[0].admin = place::Admin::drain;
  EXPECT_EQ(differences(town(), after),
            (std::vector<Difference>{
                {Kind::changed,
                 "nodes",
                 "node-1",
                 {{"weight", "100", "50"}, {"capacity", "", "2000"}, {"admin", "\"online\"", "\"drain\""}}}}));
}

TEST(Differences, TellRightsAsAChangeOfTheGrant) {
  Data after = town();
  after.grants[0].rights = {"control", "view"};
  EXPECT_EQ(differences(town(), after),
            (std::vector<Difference>{{Kind::changed,
                                      "grants",
                                      "user/u1/camera/100-abcdef/0",
                                      {{"rights", "[\"view\"]", "[\"control\", \"view\"]"}}}}));
}

TEST(Differences, HideThePasswordOfACheck) {
  Data before = town(), after = town();
  before.topology.nodes[0].check = "http://geo:s3cret@10.0.0.1/health";
  EXPECT_EQ(differences(before, after),
            (std::vector<Difference>{{Kind::changed, "nodes", "node-1", {{"check", "\"***\"", "\"\""}}}}));
}

}  // namespace geo::io
