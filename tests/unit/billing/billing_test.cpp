#include "geo/billing.h"

#include <gtest/gtest.h>

#include "scene.h"

namespace geo::billing {
namespace {

using scene::kNow;

struct World {
  std::shared_ptr<scene::MemoryStore> store = scene::happy_store();
  std::string ask(std::string_view format = "flv", std::string_view type = "user", WallTime now = kNow) const {
    const auto answer = bill({store.get(), leases, on_unknown}, query(format, type), {now});
    if (!answer) return "would block";
    if (!*answer) return std::string(name_of(answer->error().code));
    return (*answer)->known ? std::to_string((*answer)->streams) + " in use" : "not known";
  }
  // take_lease() of what was billed.
  std::string lease() const {
    const auto billed = bill({store.get(), leases, on_unknown}, query("flv", "user"), {kNow});
    const auto answer = take_lease({store.get(), leases, on_unknown}, query("flv", "user"), **billed, {kNow});
    if (!answer) return "would block";
    if (!*answer) return std::string(name_of(answer->error().code));
    return **answer ? std::string(name_of(***answer)) : "needs none";
  }
  Query query(std::string_view format, std::string_view type) const {
    Query query;
    query.owner_type = type;
    query.owner_id = "u1";
    query.server = "100-abcdef";
    query.camera = "0";
    query.format = format;
    query.takes_lease = takes_lease;
    return query;
  }
  const Leases* leases = nullptr;
  OnUnknown on_unknown = OnUnknown::known_only;
  bool takes_lease = false;
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

// Else no lease would ever count.
TEST(Bill, AReportFromFarInTheFutureCoversNoLease) {
  World world;
  const auto reported = [&](std::chrono::seconds ahead) {
    world.store->usages[0].reported_at = kNow + ahead;
    return (**bill({world.store.get(), nullptr, {}}, world.query("flv", "user"), {kNow})).reported_at;
  };
  EXPECT_EQ(reported(std::chrono::seconds(15)), kNow + std::chrono::seconds(15));
  EXPECT_EQ(reported(std::chrono::seconds(16)), std::nullopt);
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

struct ScriptedLeases final : Leases {
  Result<Leased> found = Leased{};
  Result<Lease> taken = Lease::taken;
  mutable int looks = 0;
  Polled<Lease> take(const LeaseKey&, const LeaseTerms&, const Moment&) const override { return taken; }
  Polled<Leased> look(const LeaseKey&, const LeaseTerms&, const Moment&) const override {
    ++looks;
    return found;
  }
};

TEST(Bill, CountsTheLeasesOfOthersWhereItTakesNone) {
  ScriptedLeases leases;
  World world;
  world.leases = &leases;
  leases.found = Leased{2, false};
  EXPECT_EQ(world.ask(), "3 in use");
  leases.found = Leased{3, false};
  EXPECT_EQ(world.ask(), "limit_exceeded");
  leases.found = Leased{3, true};
  EXPECT_EQ(world.ask(), "1 in use") << "who has a lease is within the streams";
  EXPECT_EQ(leases.looks, 3);
  world.takes_lease = true;
  EXPECT_EQ(world.ask(), "1 in use");
  EXPECT_EQ(leases.looks, 3) << "they are counted when it is taken";
}

TEST(Bill, WithAllStreamsInUseOnlyWhoHasALeaseGoesOn) {
  ScriptedLeases leases;
  World world;
  world.leases = &leases;
  world.takes_lease = true;
  world.store->usages[0].streams = 4;
  EXPECT_EQ(world.ask(), "limit_exceeded");
  leases.found = Leased{0, true};
  EXPECT_EQ(world.ask(), "4 in use");
  leases.found = deny(ErrorCode::upstream_unavailable, "");
  EXPECT_EQ(world.ask(), "upstream_unavailable") << "it was not told in time";
  world.store->away = true;
  EXPECT_EQ(world.ask(), "limit_exceeded") << "as far as is known";
}

TEST(Bill, WhatIsNotKnownIsUpToTheConfiguration) {
  World world;
  world.store->down = true;
  world.on_unknown = OnUnknown::allow;
  EXPECT_EQ(world.ask(), "upstream_unavailable") << "an unreadable row is never let pass";
  world.store->away = true;
  EXPECT_EQ(world.ask(), "not known");
  EXPECT_EQ(world.ask("flv", "robot"), "payment_required");
  world.on_unknown = OnUnknown::known_only;
  EXPECT_EQ(world.ask(), "upstream_unavailable");

  world.store->down = false;
  world.store->from = From::stale;
  EXPECT_EQ(world.ask(), "1 in use");
  world.on_unknown = OnUnknown::refuse;
  EXPECT_EQ(world.ask(), "upstream_unavailable");
  world.store->from = From::cache;
  EXPECT_EQ(world.ask(), "1 in use");
}

TEST(Lease, IsTakenWhereThereIsALimit) {
  ScriptedLeases leases;
  World world;
  world.leases = &leases;
  EXPECT_EQ(world.lease(), "needs none");
  world.takes_lease = true;
  EXPECT_EQ(world.lease(), "taken");
  leases.taken = deny(ErrorCode::limit_exceeded, "");
  EXPECT_EQ(world.lease(), "limit_exceeded");
  world.store->tariffs[0].max_streams.reset();
  EXPECT_EQ(world.lease(), "needs none");
}

TEST(Lease, WithoutAStoreIsUpToTheConfiguration) {
  ScriptedLeases leases;
  leases.taken = Lease::none;
  World world;
  world.leases = &leases;
  world.takes_lease = true;
  EXPECT_EQ(world.lease(), "none");
  world.on_unknown = OnUnknown::refuse;
  EXPECT_EQ(world.lease(), "upstream_unavailable");
}

}  // namespace
}  // namespace geo::billing
