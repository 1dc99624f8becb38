#include "differences.h"

#include <gtest/gtest.h>

#include "worlds.h"

namespace geoctl {
namespace {

Pick served(Index node, std::optional<double> km = {}) {
  Pick pick;
  pick.node = node;
  pick.group = pick.own_group = 0;
  pick.distance_km = km;
  return pick;
}
Pick refused() {
  Pick pick;
  pick.refused = geo::ErrorCode::no_node;
  return pick;
}
Ask of_camera(std::uint32_t number) {
  Ask ask;
  ask.camera_number = number;
  return ask;
}

TEST(Differences, AreOfNodesByTheirIds) {
  geo::place::Rows before = test::rows(), after = test::rows();
  for (const char* const id : {"a", "b"}) test::add_node(before, id, "here");
  for (const char* const id : {"b", "c", "a"}) test::add_node(after, id, "here");
  const geo::place::Topology old_topology(before), new_topology(after);
  Differences differences;
  const auto count = [&](std::uint32_t camera, const Pick& one, const Pick& other) {
    differences.count(of_camera(camera), one, old_topology, other, new_topology);
  };
  count(1, served(0), served(2));          // a stays a
  count(1, served(1), served(1));          // b -> c
  count(2, served(1, 10), served(0, 20));  // b stays b, but it has moved itself
  count(3, served(1, 20), served(1, 10));  // b -> c, nearer
  count(4, served(0), refused());
  count(4, refused(), served(0));
  count(5, refused(), refused());
  count(6, served(0, 5), served(2, 5));
  EXPECT_EQ(differences.json(),
            R"({"requests":8,"moved_percent":50.000,"cameras_moved_percent":50.000,"lost":1,"gained":1,)"
            R"("farther_percent":12.500,"moves":[{"from":"b","to":"c","requests":2},)"
            R"({"from":null,"to":"b","requests":1},{"from":"a","to":null,"requests":1}]})");
}

TEST(Differences, OfNothingAreNone) {
  const Differences none;
  EXPECT_EQ(none.moved_percent(), 0);
  EXPECT_NE(none.json().find("\"moves\":[]"), std::string::npos);
}

}  // namespace
}  // namespace geoctl
