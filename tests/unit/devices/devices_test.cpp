#include "geo/devices.h"

#include <gtest/gtest.h>

#include "scene.h"

namespace geo::devices {
namespace {

struct World {
  std::shared_ptr<scene::MemoryStore> store = scene::happy_store();
  std::string ask(std::string_view camera = "0", std::string_view partner = "default",
                  std::string_view server = "100-abcdef") const {
    const auto answer = inspect(*store, {server, camera, partner, "flv"}, {scene::kNow});
    if (!answer) return "would block";
    return *answer ? "fine" : std::string(name_of(answer->error().code));
  }
};

TEST(Inspect, PassesWhatIsThereAndOn) { EXPECT_EQ(World().ask(), "fine"); }

TEST(Inspect, UnknownServersAndCamerasAreNotFound) {
  EXPECT_EQ(World().ask("1"), "not_found");
  EXPECT_EQ(World().ask("0", "default", "nobody-knows"), "not_found");
}

TEST(Inspect, AServerIsKnownUnderItsPartnersHostsOnly) {
  World world;
  world.store->servers[0].partner = "acme";
  EXPECT_EQ(world.ask("0", "default"), "not_found");
  EXPECT_EQ(world.ask("0", "acme"), "fine");
}

TEST(Inspect, TellsOfflineFromAMissingFormat) {
  World world;
  world.store->cameras[0].streams = {"hls"};
  EXPECT_EQ(world.ask(), "format_unavailable");
  world.store->cameras[0].online = false;
  EXPECT_EQ(world.ask(), "offline");
  world.store->cameras[0].online = true;
  world.store->servers[0].online = false;
  EXPECT_EQ(world.ask(), "offline");
  EXPECT_EQ(world.ask("1"), "not_found");
}

TEST(Inspect, PassesOnWhatTheStoreSays) {
  World world;
  world.store->down = true;
  EXPECT_EQ(world.ask(), "upstream_unavailable");
  world.store->blocking = true;
  EXPECT_EQ(world.ask(), "would block");
}

}  // namespace
}  // namespace geo::devices
