#include "geo/billing.h"

#include <gtest/gtest.h>

#include "scene.h"

namespace geo::billing {
namespace {

using scene::kNow;

struct World {
  std::shared_ptr<scene::MemoryStore> store = scene::happy_store();
  std::string ask(std::string_view format = "flv", std::string_view type = "user", WallTime now = kNow) const {
    const auto answer = bill(*store, {type, "u1", "100-abcdef", "0", format}, now, Wait::never());
    if (!answer) return "would block";
    return *answer ? std::to_string((*answer)->streams) + " in use" : std::string(name_of(answer->error().code));
  }
};

TEST(Bill, PassesWithinTheTariff) { EXPECT_EQ(World().ask(), "1 in use"); }

TEST(Bill, PaymentComesFirst) {
  World world;
  world.store->users[0].blocked = true;
  world.store->tariffs[0].formats.clear();
  EXPECT_EQ(world.ask(), "payment_required");
}

TEST(Bill, ATariffRunsOutAtItsSecond) {
  World world;
  world.store->users[0].paid_until = kNow;
  EXPECT_EQ(world.ask(), "payment_required");
  EXPECT_EQ(world.ask("flv", "user", kNow - std::chrono::microseconds(1)), "1 in use");
}

TEST(Bill, WithoutAnAccountOrATariffPaymentIsRequired) {
  World world;
  EXPECT_EQ(world.ask("flv", "robot"), "payment_required");
  world.store->tariffs.clear();
  EXPECT_EQ(world.ask(), "payment_required");
  world.store->users.clear();
  EXPECT_EQ(world.ask(), "payment_required");
}

TEST(Bill, TheFormatMustBeInTheTariff) {
  World world;
  world.store->tariffs[0].formats = {"hls"};
  EXPECT_EQ(world.ask("flv"), "format_not_in_tariff");
  EXPECT_EQ(world.ask("hls"), "1 in use");
}

TEST(Bill, CountsConcurrentStreams) {
  World world;
  world.store->usages[0].streams = 3;
  EXPECT_EQ(world.ask(), "3 in use");
  world.store->usages[0].streams = 4;
  EXPECT_EQ(world.ask(), "limit_exceeded");
  world.store->usages.clear();
  EXPECT_EQ(world.ask(), "0 in use");
  world.store->tariffs[0].max_streams = 0;
  EXPECT_EQ(world.ask(), "limit_exceeded");
}

TEST(Bill, AnUnlimitedTariffMakesNoTripForTheUsage) {
  World world;
  world.store->tariffs[0].max_streams = {};
  world.store->usages[0].streams = 1000;
  EXPECT_EQ(world.ask(), "0 in use");
  EXPECT_EQ(world.store->asked, 2);  // user and tariff
}

TEST(Bill, PassesOnWhatTheStoreSays) {
  World world;
  world.store->down = true;
  EXPECT_EQ(world.ask(), "upstream_unavailable");
  world.store->blocking = true;
  EXPECT_EQ(world.ask(), "would block");
}

}  // namespace
}  // namespace geo::billing
