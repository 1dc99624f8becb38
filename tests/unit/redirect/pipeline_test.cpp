#include <gtest/gtest.h>

#include "allocations.h"
#include "geo/base/text.h"
#include "geo/redirect.h"
#include "scene.h"

namespace geo::redirect {
namespace {

using scene::kNow;

// Answers nothing to whoever may not wait.
struct SlowProvider final : resolve::Provider {
  std::string_view name() const override { return "slow"; }
  UpstreamStatus status(MonotonicTime) const override { return {name(), Breaker::State::closed, {}, {}}; }
  Polled<resolve::Located> locate(const resolve::Query& query) const override {
    if (!query.wait.allowed()) return std::nullopt;
    return resolve::Located{std::make_shared<const place::Location>(place::Location{"RU", {}, {}, {}, {{59.9, 30.3}}}),
                            "slow"};
  }
};

template <class T>
Held<T> lend(const T& row) {
  return {{std::shared_ptr<void>(), &row}};
}

struct World {
  explicit World(place::Rows rows = scene::small_map()) {
    auto topology = std::make_shared<place::Topology>(std::move(rows));
    snapshot.topology = topology;
    snapshot.live =
        std::make_shared<balance::Live>(std::make_shared<const balance::Balancer>(topology, balance::Settings{}));
    providers.push_back(std::make_shared<resolve::Networks>());
    snapshot.authorizer = std::make_shared<auth::Rules>(store);
    snapshot.billing = store;
    snapshot.devices = store;
    std::vector<sign::Key> keys;
    keys.push_back(scene::key("k1"));
    snapshot.keys = std::make_shared<sign::Keyring>(std::move(keys), "k1");
    request.client_ip = *Ip::parse("10.1.2.3");
    request.host = "geo.example.com";
    request.server = "100-abcdef";
    request.camera = "0";
    request.token = "T-1";
    request.now = kNow;
  }
  // The code; "would block" where nothing was decided.
  std::string run(Wait wait = Wait::never()) {
    if (!snapshot.resolver) snapshot.resolver = std::make_shared<resolve::Resolver>(std::move(providers));
    if (!decide(request, snapshot, wait, clock, decision, &trace)) return "would block";
    return decision.ok() ? "redirect" : std::string(name_of(decision.denial->code));
  }
  std::string trace_json() const {
    std::string out;
    append_json(out, trace, snapshot, decision);
    return out;
  }
  std::string steps() const {
    std::string out;
    for (const TraceStep& step : trace.steps) out += (out.empty() ? "" : " ") + std::string(name_of(step.step));
    return out;
  }

  std::shared_ptr<scene::MemoryStore> store = scene::happy_store();
  std::vector<std::shared_ptr<const resolve::Provider>> providers;
  Snapshot snapshot;
  scene::StoppedClock clock;
  Request request;
  Decision decision;
  Trace trace;
};

TEST(Pipeline, WalksTheStepsInOrder) {
  World world;
  EXPECT_EQ(world.run(), "redirect");
  EXPECT_EQ(world.steps(), "locate group select authorize bill inspect sign");
  EXPECT_TRUE(world.decision.location.starts_with("https://msk-"));
  EXPECT_NE(world.decision.location.find("/flv?server=100-abcdef&camera=0&token=T-1&exp="), std::string::npos);
  EXPECT_EQ(world.decision.located_by, "networks");
  EXPECT_EQ(world.decision.owner, "user/u1");
  EXPECT_EQ(world.decision.expires_at_s,
            std::chrono::floor<std::chrono::seconds>(kNow).time_since_epoch().count() + 300);
}

TEST(Pipeline, AnUnknownAddressGoesToThePartnersDefaultGroup) {
  World world;
  world.request.client_ip = *Ip::parse("8.8.8.8");
  EXPECT_EQ(world.run(), "redirect");
  EXPECT_TRUE(world.decision.location.starts_with("https://eu-1."));
  EXPECT_EQ(world.decision.located_by, "default");
  EXPECT_TRUE(world.decision.degraded);
}

TEST(Pipeline, EachStepRefusesInItsTurn) {
  const auto broken = [](auto change) {
    World world;
    change(world);
    const std::string code = world.run();
    return code + " after " + world.steps();
  };
  EXPECT_EQ(broken([](World& w) { w.request.token = "T-2"; }), "token_unknown after locate group select authorize");
  EXPECT_EQ(broken([](World& w) { w.store->users[0].blocked = true; }),
            "payment_required after locate group select authorize bill");
  EXPECT_EQ(broken([](World& w) { w.store->cameras[0].online = false; }),
            "offline after locate group select authorize bill inspect");
}

place::Rows map_without_nodes() {
  place::Rows rows = scene::small_map();
  for (place::Node& node : rows.nodes) node.admin = place::Admin::offline;
  return rows;
}

TEST(Pipeline, AClientWithoutARightLearnsNothingAboutNodes) {
  World world(map_without_nodes());
  world.request.token = "T-2";
  EXPECT_EQ(world.run(), "token_unknown");
  World blocked(map_without_nodes());
  blocked.store->users[0].blocked = true;
  EXPECT_EQ(blocked.run(), "payment_required");
  World allowed(map_without_nodes());
  EXPECT_EQ(allowed.run(), "no_node");
  EXPECT_EQ(allowed.steps(), "locate group select authorize bill");  // nor about cameras
}

TEST(Pipeline, NeverWaitsInTheLoopAndTheSecondRunAnswers) {
  World slow_store;
  slow_store.store->blocking = true;
  EXPECT_EQ(slow_store.run(Wait::never()), "would block");
  EXPECT_EQ(slow_store.run(Wait::until(MonotonicTime{} + std::chrono::seconds(1))), "redirect");

  World slow_resolver;
  slow_resolver.providers.insert(slow_resolver.providers.begin(), std::make_shared<SlowProvider>());
  slow_resolver.request.client_ip = *Ip::parse("8.8.8.8");
  EXPECT_EQ(slow_resolver.run(Wait::never()), "would block");
  EXPECT_EQ(slow_resolver.run(Wait::until(MonotonicTime{} + std::chrono::seconds(1))), "redirect");
  EXPECT_TRUE(slow_resolver.decision.location.starts_with("https://spb-1."));  // nearest
}

// Each look at it is a microsecond later.
struct RunningClock final : Clock {
  mutable std::chrono::microseconds looks{0};
  WallTime wall() const override { return kNow; }
  MonotonicTime monotonic() const override { return MonotonicTime{} + ++looks; }
};

// The steps that were timed, "!" after those that took another time than one look at the clock.
std::string timed(const StepTimes& times) {
  std::string out;
  for (std::size_t i = 0; i < kStepNames.size(); ++i) {
    if (!times.ran[i]) continue;
    out += (out.empty() ? "" : " ") + std::string(kStepNames[i]);
    if (times.took[i] != std::chrono::microseconds(1)) out += "!";
  }
  return out;
}

TEST(StepTimes, OfEachStepThatCameToAnAnswer) {
  World world;
  world.run();
  const RunningClock clock;
  StepTimes times;
  const auto walk = [&](Wait wait = Wait::never()) {
    return decide(world.request, world.snapshot, wait, clock, world.decision, nullptr, &times);
  };
  EXPECT_TRUE(walk());
  EXPECT_EQ(timed(times), "locate group select authorize bill! inspect sign") << "a lease is part of bill";
  world.request.token = "T-2";
  EXPECT_TRUE(walk());
  EXPECT_EQ(timed(times), "locate group select authorize") << "the one that refuses too, and none of the walk before";
  world.request.token = "T-1";
  world.store->blocking = true;
  EXPECT_FALSE(walk());
  EXPECT_EQ(timed(times), "locate group select") << "not the one that would have to wait";
  EXPECT_TRUE(walk(Wait::until(MonotonicTime{} + std::chrono::seconds(1))));
  EXPECT_EQ(timed(times), "locate group select authorize bill! inspect sign");
}

TEST(StepTimes, NobodyWhoDoesNotWantThemPaysForThem) {
  World world;
  world.run();
  const RunningClock clock;
  EXPECT_TRUE(decide(world.request, world.snapshot, Wait::never(), clock, world.decision));
  EXPECT_EQ(clock.looks.count(), 0);
}

// Takes what it is told to, and counts.
struct ScriptedLeases final : billing::Leases {
  Result<billing::Lease> says = billing::Lease::taken;
  mutable int taken = 0;
  Polled<billing::Lease> take(const billing::LeaseKey&, const billing::LeaseTerms&, const Moment& at) const override {
    if (!at.wait.allowed()) return std::nullopt;
    ++taken;
    return says;
  }
  Polled<billing::Leased> look(const billing::LeaseKey&, const billing::LeaseTerms&, const Moment&) const override {
    return billing::Leased{};
  }
};

TEST(Pipeline, TheLeaseIsTakenLastAndNeverByARefusedRequest) {
  const Wait soon = Wait::until(MonotonicTime{} + std::chrono::seconds(1));
  World world;
  const auto leases = std::make_shared<ScriptedLeases>();
  world.snapshot.leases = leases;
  EXPECT_EQ(world.run(), "redirect") << "who does not watch takes none";
  world.request.will_watch = true;
  EXPECT_EQ(world.run(Wait::never()), "would block");
  EXPECT_EQ(leases->taken, 0);
  EXPECT_EQ(world.run(soon), "redirect");
  EXPECT_EQ(world.decision.lease, billing::Lease::taken);
  EXPECT_EQ(leases->taken, 1);

  world.store->cameras[0].online = false;
  EXPECT_EQ(world.run(soon), "offline");
  world.store->cameras[0].online = true;
  world.request.camera = "1";
  EXPECT_EQ(world.run(soon), "not_found");
  world.request.camera = "0";
  EXPECT_EQ(leases->taken, 1);

  leases->says = deny(ErrorCode::limit_exceeded, "");
  EXPECT_EQ(world.run(soon), "limit_exceeded");
  EXPECT_TRUE(world.decision.location.empty());
  EXPECT_FALSE(world.decision.lease);

  leases->says = billing::Lease::taken;
  world.store->tariffs[0].max_streams.reset();
  EXPECT_EQ(world.run(), "redirect") << "without a limit there is no trip to the store";
  EXPECT_FALSE(world.decision.lease);
}

TEST(Pipeline, APortWithoutAnAnswerAtTheDeadlineIsToldAsThat) {
  struct Silent final : auth::Authorizer {
    Polled<auth::Right> authorize(const auth::Query&, const Moment&) const override { return std::nullopt; }
    std::string_view name() const override { return "auth"; }
  };
  World world;
  world.snapshot.authorizer = std::make_shared<Silent>();
  EXPECT_EQ(world.run(Wait::until(MonotonicTime{} + std::chrono::seconds(1))), "deadline_exceeded");
  EXPECT_EQ(world.run(Wait::never()), "would block");
}

TEST(Pipeline, AStoreThatIsAwayIsNoRefusalOfTheClient) {
  World world;
  world.store->down = true;
  EXPECT_EQ(world.run(), "upstream_unavailable");
}

TEST(Pipeline, TheUrlKeepsTheTokenOrDropsItAndBindsTheClient) {
  World world;
  world.snapshot.options.token_in_url = false;
  world.snapshot.options.bind_client_ip = true;
  const sign::Parameter passed{"lang", "ru"};
  world.request.passed = {passed};
  EXPECT_EQ(world.run(), "redirect");
  EXPECT_NE(world.decision.location.find("?server=100-abcdef&camera=0&lang=ru&cip=10.1.2.3&exp="), std::string::npos);
}

TEST(Pipeline, AUrlThatIsTooLongIsRefusedNotCutOff) {
  World world;
  const std::string slashes(4096, '/');
  const sign::Parameter passed{"lang", slashes};
  world.request.passed = {passed};
  EXPECT_EQ(world.run(), "bad_request");
  EXPECT_EQ(world.decision.location, "");
}

TEST(Pipeline, ThePlaceStandsInForTheAddress) {
  World world;
  world.request.place = place::Location{"RU", {}, {}, {}, {{59.9, 30.3}}};
  EXPECT_EQ(world.run(), "redirect");  // 10.1.2.3 would be Moscow
  EXPECT_TRUE(world.decision.location.starts_with("https://spb-1."));
}

TEST(Pipeline, JsonHasAlternatesEachSigned) {
  World world;
  world.request.wants_json = true;
  EXPECT_EQ(world.run(), "redirect");
  ASSERT_EQ(world.decision.alternates_found, 2U);
  EXPECT_TRUE(world.decision.alternate_locations[1].starts_with("https://spb-1."));
  for (const std::string& location : world.decision.alternate_locations)
    EXPECT_NE(location.find("&sig="), std::string::npos);
  std::string json;
  append_json(json, world.request, world.snapshot, world.decision);
  EXPECT_TRUE(json.starts_with(R"({"location":"https://msk-)")) << json;
  EXPECT_NE(
      json.find(
          R"("group":"ru-msk","pattern":"streaming","format":"flv","expires_at":"2026-06-01T12:05:00Z","alternates":[")"),
      std::string::npos)
      << json;
}

TEST(Pipeline, ThePortStandsInTheUrlUnlessItIsTheDefault) {
  place::Rows rows = scene::small_map();
  rows.nodes[0].ports = rows.nodes[1].ports = {8443, 8443, 0, 0};
  World world(rows);
  EXPECT_EQ(world.run(), "redirect");
  EXPECT_NE(world.decision.location.find(".example.com:8443/flv?"), std::string::npos);
}

TEST(Pipeline, AllocatesNothingOnTheWarmPath) {
  World world;
  // a store that owns nothing, as the one in files: the double would allocate its answers
  struct Fixed final : auth::Authorizer, billing::Store, devices::Store {
    auth::Token token{{}, {"user", "u1"}, {}};
    billing::User u{"u1", "home", {}, false};
    billing::Tariff t{"home", {"flv"}, 4};
    devices::Server s{"100-abcdef", "", true, "", "user", "u1"};
    devices::Camera c{"100-abcdef", "0", true, {"flv"}};
    Polled<auth::Right> authorize(const auth::Query&, const Moment&) const override { return auth::Right{lend(token)}; }
    std::string_view name() const override { return "store"; }
    Polled<Held<billing::User>> user(std::string_view, const Moment&) const override { return lend(u); }
    Polled<Held<billing::Tariff>> tariff(std::string_view, const Moment&) const override { return lend(t); }
    Polled<Held<billing::Usage>> usage(std::string_view, const Moment&) const override {
      return Held<billing::Usage>{};
    }
    Polled<Held<devices::Server>> server(std::string_view, const Moment&) const override { return lend(s); }
    Polled<Held<devices::Camera>> camera(std::string_view, std::string_view, const Moment&) const override {
      return lend(c);
    }
  };
  const auto fixed = std::make_shared<Fixed>();
  world.snapshot.authorizer = fixed;
  world.snapshot.billing = fixed;
  world.snapshot.devices = fixed;
  ASSERT_EQ(world.run(), "redirect");
  for (int i = 0; i < 3; ++i) decide(world.request, world.snapshot, Wait::never(), world.clock, world.decision);
  const std::size_t before = test::allocations();
  ASSERT_TRUE(decide(world.request, world.snapshot, Wait::never(), world.clock, world.decision));
  EXPECT_EQ(test::allocations() - before, 0U);
  EXPECT_TRUE(world.decision.ok());
}

TEST(TraceJson, HasTheContractsKeys) {
  World world;
  EXPECT_EQ(world.run(), "redirect");
  std::string json;
  append_json(json, world.trace, world.snapshot, world.decision);
  EXPECT_TRUE(json.starts_with(R"({"client_ip":"10.1.2.3","steps":[{"step":"locate","result":{"country_code":null,)"))
      << json;
  EXPECT_NE(json.find(R"("source":"networks","cached":false,"duration_us":0)"), std::string::npos) << json;
  EXPECT_NE(json.find(R"("candidates":[{"node":"msk-1","group":"ru-msk",)"), std::string::npos) << json;
  EXPECT_NE(json.find(R"("refused":"not_first")"), std::string::npos) << json;
  EXPECT_NE(json.find(R"("chosen":true)"), std::string::npos) << json;
  EXPECT_NE(json.find(R"("code":"redirect","location":"https://)"), std::string::npos) << json;
  world.request.token = "T-2";
  world.run();
  json.clear();
  append_json(json, world.trace, world.snapshot, world.decision);
  EXPECT_NE(json.find(R"("code":"token_unknown","detail":)"), std::string::npos) << json;
  EXPECT_EQ(json.find("T-2"), std::string::npos);
}

TEST(TraceJson, TellsWhatEachStepFound) {
  World world;
  ASSERT_EQ(world.run(), "redirect");
  const std::string json = world.trace_json();
  for (
      const char* part :
      {R"({"step":"locate","result":{"country_code":null,"region_iso":null,"region":null,"city":null,"coordinates":null},)",
       R"({"step":"group","result":{"partner":"default","group":"ru-msk","by":"network"},"source":null,"cached":false,)",
       R"(,"pattern":"streaming","exclude_ignored":false,"attempts":[{"pattern":"streaming","group":"ru-msk","eligible":2}]},)",
       R"({"step":"authorize","result":{"owner_type":"user","owner_id":"u1","expires_at":null},)",
       R"({"step":"bill","result":{"tariff":"home","streams":1,"max_streams":4},"source":"store",)",
       R"({"step":"inspect","result":{"dc":"msk-1","server_online":true,"camera_online":true,"streams":["flv","hls","ws-fmp4"]},)",
       R"({"step":"sign","result":{"kid":"k1","expires_at":"2026-06-01T12:05:00Z"},"source":null,)"})
    EXPECT_NE(json.find(part), std::string::npos) << part << "\n" << json;
}

TEST(TraceJson, TellsThatNobodyCouldServe) {
  place::Rows rows = scene::small_map();
  for (place::Node& node : rows.nodes) node.admin = place::Admin::offline;
  World world(rows);
  EXPECT_EQ(world.run(), "no_node");
  EXPECT_NE(
      world.trace_json().find(
          R"({"step":"select","result":{"node":null,"group":null,"pattern":null,"exclude_ignored":false,"attempts":[{)"),
      std::string::npos)
      << world.trace_json();
}

TEST(TraceJson, TellsDegradedModeWithItsReason) {
  World world;
  world.request.client_ip = *Ip::parse("8.8.8.8");
  world.run();
  EXPECT_TRUE(world.decision.degraded);
  EXPECT_TRUE(world.trace_json().starts_with(
      R"({"client_ip":"8.8.8.8","steps":[{"step":"locate","result":null,"code":"unknown_address","detail":"no provider knows 8.8.8.8","source":"default","cached":false,"duration_us":0.0})"))
      << world.trace_json();
}

TEST(TraceJson, TellsAnOldAnswerFromACachedOne) {
  struct Remembering final : resolve::Provider {
    explicit Remembering(From f) : from(f) {}
    std::string_view name() const override { return "ip-api"; }
    Polled<resolve::Located> locate(const resolve::Query&) const override {
      return resolve::Located{std::make_shared<const place::Location>(), name(), from};
    }
    UpstreamStatus status(MonotonicTime) const override { return {name(), Breaker::State::closed, {}, {}}; }
    From from;
  };
  const auto told = [](From from) {
    World world;
    world.request.client_ip = *Ip::parse("8.8.8.8");
    world.providers = {std::make_shared<Remembering>(from)};
    world.run();
    const std::string json = world.trace_json();
    return json.substr(json.find(R"("source")"), json.find(R"(,"duration_us")") - json.find(R"("source")"));
  };
  EXPECT_EQ(told(From::upstream), R"("source":"ip-api","cached":false)");
  EXPECT_EQ(told(From::cache), R"("source":"ip-api","cached":true)");
  EXPECT_EQ(told(From::stale), R"("source":"ip-api","cached":true,"stale":true)");
}

TEST(ProblemJson, IsAsRfc9457) {
  std::string json;
  append_problem(json, {ErrorCode::offline, "the camera is offline"}, "r-1");
  EXPECT_EQ(json,
            R"({"title":"Offline","status":409,"code":"offline","detail":"the camera is offline","request_id":"r-1"})");
}

}  // namespace
}  // namespace geo::redirect
