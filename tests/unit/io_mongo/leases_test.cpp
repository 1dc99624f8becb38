#include "io/mongo/leases.h"

#include <algorithm>
#include <array>
#include <atomic>
#include <future>
#include <latch>
#include <map>
#include <random>
#include <thread>
#include <tuple>

#include "geo/base/guarded.h"
#include "geo/io/system.h"
#include "mongo.h"
#include "mongo_relay.h"
#include "mongo_wire.h"

using namespace geo;
using namespace geo::io::mongo;
using namespace std::chrono_literals;
using billing::Lease;
using test::MongoRelay;
using Then = MongoRelay::Then;

namespace {

constexpr auto kEnough = 60s;  // more than anything takes
const WallTime kNow{1'800'000'000s};

billing::LeaseTerms up_to(std::int64_t max_streams, std::int64_t streams = 0,
                          std::optional<WallTime> reported_at = {}) {
  return {max_streams, streams, reported_at};
}

Ip client(int n) {
  const std::uint8_t bytes[4]{10, 0, static_cast<std::uint8_t>(n >> 8), static_cast<std::uint8_t>(n)};
  return Ip::v4(bytes);
}
billing::LeaseKey key(int n, std::string_view user = "u1") { return {user, sha256("token"), "s1", "c1", client(n)}; }
Moment moment(WallTime now) {
  const MonotonicTime start = std::chrono::steady_clock::now();
  return {now, start, Wait::until(start + kEnough)};
}

// The machine's clock, with a wall clock of its own.
class TestClock final : public Clock {
 public:
  WallTime wall() const override { return kNow; }
  MonotonicTime monotonic() const override { return std::chrono::steady_clock::now() + moved_.load(); }
  void move(std::chrono::seconds by) { moved_ = by; }

 private:
  std::atomic<std::chrono::seconds> moved_{0s};
};

// A process.
struct Geod {
  explicit Geod(const std::string& uri, const std::string& database, std::chrono::milliseconds call = 30s,
                std::chrono::milliseconds timeout = kEnough)
      : connection(std::move(*Connection::open({uri, database, call}))),
        leases(*connection, health, clock, 30s, timeout,
               {[this](const Unreadable& each) { tell(each.collection + " " + each.id + ": " + each.why); },
                [this](const std::string& line) { tell(line); }}) {}

  void tell(const std::string& line) {
    told.with([&](auto& all) { all.push_back(line); });
  }
  std::vector<std::string> lines() {
    return told.with([](auto& all) { return all; });
  }
  // "taken", or the refusal's code.
  std::string_view take(int n, const billing::LeaseTerms& terms, WallTime now = kNow, std::string_view user = "u1") {
    const auto answer = leases.take(key(n, user), terms, moment(now));
    if (!answer) return "nothing";
    return *answer ? billing::name_of(**answer) : name_of(answer->error().code);
  }
  std::vector<ListedLease> list(const std::string& user = "u1") {
    auto out = leases.list(user, std::chrono::steady_clock::now() + kEnough);
    EXPECT_TRUE(out) << out.error();
    return std::move(*out);
  }

  TestClock clock;
  std::shared_ptr<Health> health = std::make_shared<Health>();
  Guarded<std::vector<std::string>> told;
  std::unique_ptr<Connection> connection;
  Leases leases;
};

class MongoLeases : public test::OnMongo {
 protected:
  Geod geod() const { return Geod(uri(), database()); }
};

// Counts what passes.
class Counts {
 public:
  Then add(const std::string& command) {
    commands_.with([&](auto& all) { ++all[command]; });
    return Then::pass;
  }
  int of(const std::string& command) {
    return commands_.with([&](auto& all) { return all[command]; });
  }
  int trips() { return of("find") + of("update") + of("insert"); }

 private:
  Guarded<std::map<std::string, int>> commands_;
};

// As many at once as there are clients.
template <class Take>
std::map<std::string_view, int> at_once(int clients, const Take& take) {
  std::latch start(clients);
  Guarded<std::map<std::string_view, int>> out;
  std::vector<std::thread> threads;
  for (int i = 0; i < clients; ++i) {
    threads.emplace_back([&, i] {
      start.arrive_and_wait();
      const std::string_view outcome = take(i);
      out.with([&](auto& all) { ++all[outcome]; });
    });
  }
  for (auto& each : threads) each.join();
  return out.with([](auto& all) { return all; });
}

using Outcomes = std::map<std::string_view, int>;

}  // namespace

TEST_F(MongoLeases, AThousandAtOnceGetAsManyAsThereAre) {
  Counts counts;
  const MongoRelay relay(uri(), [&](const std::string& command) { return counts.add(command); });
  Geod one(relay.uri(), database());
  const auto outcomes = at_once(1000, [&](int i) { return one.take(i, up_to(4)); });
  EXPECT_EQ(outcomes, (Outcomes{{"taken", 4}, {"limit_exceeded", 996}}));
  EXPECT_EQ(one.list().size(), 4u);
  const int trips = counts.trips();
  RecordProperty("round_trips", trips);
  EXPECT_LT(trips, 500);  // who waits is settled together
  const auto stats = one.leases.stats();
  EXPECT_EQ(std::tuple(stats.taken, stats.renewed, stats.refused, stats.none, stats.failed),
            std::tuple(4u, 0u, 996u, 0u, 0u));
  EXPECT_EQ(one.health->calls.sums(), (Tally::Sums{1000, 0, 0, 0}));
}

TEST_F(MongoLeases, AThousandAtOnceInTwoProcessesGetAsManyAsThereAre) {
  Counts counts;
  const MongoRelay relay(uri(), [&](const std::string& command) { return counts.add(command); });
  Geod one(relay.uri(), database());
  Geod two(relay.uri(), database());
  const auto outcomes = at_once(1000, [&](int i) { return (i % 2 ? one : two).take(i, up_to(4)); });
  EXPECT_EQ(outcomes, (Outcomes{{"taken", 4}, {"limit_exceeded", 996}}));
  EXPECT_EQ(one.list().size(), 4u);
  RecordProperty("round_trips", counts.trips());
}

TEST_F(MongoLeases, TwoProcessesThatMeetAllTheTimeComeToAnEnd) {
  Geod one = geod();
  Geod two = geod();
  const auto outcomes = at_once(16, [&](int i) {
    std::string_view last;
    for (int round = 0; round < 20; ++round) last = (i % 2 ? one : two).take(i * 100 + round, up_to(1000));
    return last;
  });
  EXPECT_EQ(outcomes, (Outcomes{{"taken", 16}}));
  EXPECT_EQ(one.list().size(), 320u);
}

TEST_F(MongoLeases, UsersAreSideBySide) {
  std::atomic<int> under_way{0};
  std::latch both(2);
  // The first read of one user waits for that of the other.
  const MongoRelay relay(uri(), [&](const std::string& command) {
    if (command == "find" && under_way++ < 2) both.arrive_and_wait();
    return Then::pass;
  });
  Geod one(relay.uri(), database());
  const auto outcomes = at_once(2, [&](int i) { return one.take(i, up_to(1), kNow, i ? "u1" : "u2"); });
  EXPECT_EQ(outcomes, (Outcomes{{"taken", 2}}));
}

TEST_F(MongoLeases, TheSameAgainIsRenewedHoweverFull) {
  Geod one = geod();
  EXPECT_EQ(one.take(1, up_to(1)), "taken");
  EXPECT_EQ(one.take(1, up_to(1, 7), kNow + 20s), "renewed");
  const auto listed = one.list();
  ASSERT_EQ(listed.size(), 1u);
  EXPECT_EQ(listed[0].taken_at, kNow);
  EXPECT_EQ(listed[0].expires_at, kNow + 50s);
  EXPECT_EQ(listed[0].client_ip, "10.0.0.1");
  EXPECT_EQ(one.take(2, up_to(1, 7)), "limit_exceeded");
  EXPECT_EQ(one.take(2, up_to(1), kNow + 49s), "limit_exceeded");
  EXPECT_EQ(one.take(2, up_to(1), kNow + 50s), "taken");
}

TEST_F(MongoLeases, AnotherTokenCameraServerOrClientIsAnother) {
  const Geod one = geod();
  const billing::LeaseKey same = key(1);
  billing::LeaseKey token = same, camera = same, server = same, ip = same;
  token.token = sha256("another");
  camera.camera = "c2";
  server.server = "s2";
  ip.client_ip = client(2);
  for (const auto& each : {same, token, camera, server, ip})
    EXPECT_EQ(**one.leases.take(each, up_to(5), moment(kNow)), Lease::taken);
  for (const auto& each : {same, token, camera, server, ip})
    EXPECT_EQ(**one.leases.take(each, up_to(5), moment(kNow)), Lease::renewed);
}

TEST_F(MongoLeases, WhatHasEndedGoesWithTheNextChange) {
  Geod one = geod();
  for (int i = 0; i < 3; ++i) EXPECT_EQ(one.take(i, up_to(3)), "taken");
  EXPECT_EQ(one.take(9, up_to(3), kNow + 30s), "taken");
  Document::Ptr row;
  ASSERT_TRUE(one.connection->find({.collection = "leases"}, std::chrono::steady_clock::now() + kEnough,
                                   [&](Found found) { row = *found; }));
  ASSERT_FALSE(row.isNull());
  EXPECT_EQ(row->get<Document::Ptr>("leases")->size(), 1u);
  EXPECT_EQ(row->get<Poco::Timestamp>("expires_at").epochTime(), 1'800'000'060);
}

TEST_F(MongoLeases, OnlyLeasesAfterTheReportCount) {
  Geod one = geod();
  EXPECT_EQ(one.take(1, up_to(2), kNow), "taken");
  EXPECT_EQ(one.take(2, up_to(2), kNow + 2s), "taken");
  EXPECT_EQ(one.take(3, up_to(2), kNow + 3s), "limit_exceeded");
  const billing::LeaseTerms reported = up_to(3, 1, kNow + 1s);
  const auto looked = one.leases.look(key(3), reported, moment(kNow + 3s));
  EXPECT_EQ((*looked)->others, 1);
  EXPECT_EQ(one.take(3, reported, kNow + 3s), "taken");
  EXPECT_EQ(one.take(4, reported, kNow + 3s), "limit_exceeded");
  EXPECT_EQ(one.take(4, up_to(3, 3, kNow + 9s), kNow + 9s), "limit_exceeded");
  EXPECT_TRUE((*one.leases.look(key(1), reported, moment(kNow + 3s)))->own);
}

TEST_F(MongoLeases, ARefusalTellsWhenToTryAgain) {
  Geod one = geod();
  EXPECT_EQ(one.take(1, up_to(1)), "taken");
  const auto ask = [&](const billing::LeaseTerms& terms, WallTime now) {
    return one.leases.take(key(2), terms, moment(now))->error();
  };
  const Denial early = ask(up_to(1), kNow + 10s + 1ms);
  EXPECT_EQ(early.detail, "1 of 1 concurrent streams are in use");
  EXPECT_EQ(early.retry_after, 20s);
  EXPECT_EQ(ask(up_to(1), kNow + 30s - 1ms).retry_after, 1s);
  EXPECT_EQ(ask(up_to(1, 1), kNow).detail, "2 of 1 concurrent streams are in use");
  EXPECT_EQ(ask(up_to(1, 1), kNow).retry_after, 5s);
}

TEST_F(MongoLeases, WhoMayNotWaitBeginsNothing) {
  Counts counts;
  const MongoRelay relay(uri(), [&](const std::string& command) { return counts.add(command); });
  Geod one(relay.uri(), database());
  const Moment now{kNow, std::chrono::steady_clock::now(), Wait::never()};
  EXPECT_FALSE(one.leases.take(key(1), up_to(1), now));
  EXPECT_FALSE(one.leases.look(key(1), up_to(1), now));
  EXPECT_EQ(one.take(2, up_to(1)), "taken");  // after those, had there been any
  EXPECT_EQ(counts.trips(), 2);
  EXPECT_EQ(one.list().size(), 1u);
}

TEST_F(MongoLeases, WhatIsKnownSavesTheRead) {
  Counts counts;
  const MongoRelay relay(uri(), [&](const std::string& command) { return counts.add(command); });
  Geod one(relay.uri(), database());
  for (int i = 0; i < 10; ++i) EXPECT_EQ(one.take(i, up_to(10)), "taken");
  EXPECT_EQ(counts.of("find"), 1);
  EXPECT_EQ(counts.of("insert"), 1);
  EXPECT_EQ(counts.of("update"), 9);
}

TEST_F(MongoLeases, WhatAnotherProcessDidIsSeen) {
  Geod one = geod();
  Geod two = geod();
  EXPECT_EQ(one.take(1, up_to(3)), "taken");
  EXPECT_EQ(two.take(2, up_to(3)), "taken");
  EXPECT_EQ(one.take(3, up_to(3)), "taken");
  EXPECT_EQ(two.take(4, up_to(3)), "limit_exceeded");
  EXPECT_EQ(two.take(3, up_to(3)), "renewed");  // it knew nothing of that one
  EXPECT_EQ(one.take(2, up_to(3)), "renewed");
}

TEST_F(MongoLeases, ADocumentThatWasRemovedIsMadeAnew) {
  Geod one = geod();
  Geod two = geod();
  EXPECT_EQ(one.take(1, up_to(1)), "taken");
  ASSERT_TRUE(two.connection->remove("leases", {}, std::chrono::steady_clock::now() + kEnough));
  EXPECT_EQ(two.take(2, up_to(1), kNow + 1s), "taken");
  // Its second life is no earlier state of the first, of which nothing would be left by now.
  EXPECT_EQ(one.take(3, up_to(1), kNow + 30s), "limit_exceeded");
}

// ---- a store that fails ----

TEST_F(MongoLeases, NobodyThereIsNoLease) {
  const std::string nobody = [] {
    const MongoRelay gone("mongodb://127.0.0.1:1", [](const std::string&) { return Then::pass; });
    return gone.uri();
  }();
  Geod one(nobody, database(), 500ms);
  EXPECT_EQ(one.leases.look(key(1), up_to(1), moment(kNow))->error().code, ErrorCode::upstream_unavailable);
  for (unsigned i = 1; i < Breaker::kFailures; ++i) EXPECT_EQ(one.take(1, up_to(1)), "none");
  // Now it is open, and nobody is asked.
  EXPECT_NE(one.health->breaker.state(one.clock.monotonic()), Breaker::State::closed);
  EXPECT_EQ(one.take(1, up_to(1)), "none");
  EXPECT_FALSE(one.health->status("store", {}).last_error.empty());
  EXPECT_EQ(one.leases.stats().none, Breaker::kFailures);
}

TEST_F(MongoLeases, ACallThatHangsKeepsNobodyPastTheDeadline) {
  std::promise<void> release;
  const auto released = release.get_future().share();
  const MongoRelay relay(uri(), [&](const std::string& command) {
    if (command == "find") released.wait();
    return Then::pass;
  });
  Geod one(relay.uri(), database(), 30s, 200ms);
  // The call is still under way when they get their answers.
  EXPECT_EQ(one.take(1, up_to(9)), "upstream_unavailable");
  EXPECT_EQ(one.take(2, up_to(9)), "upstream_unavailable");
  const auto looked = one.leases.look(key(3), up_to(9), moment(kNow));
  EXPECT_EQ(looked->error().code, ErrorCode::upstream_unavailable);
  const MonotonicTime soon = std::chrono::steady_clock::now() + 50ms;
  EXPECT_FALSE(one.leases.take(key(4), up_to(9), {kNow, soon, Wait::until(soon)}));  // the request's own deadline
  EXPECT_EQ(one.leases.stats().failed, 3u);
  release.set_value();
  EXPECT_TRUE(geod().list().empty());  // nothing was taken for those who had gone
}

TEST_F(MongoLeases, AnUpdateThatMayHaveBeenDoneIsForgotten) {
  std::atomic<bool> silent{false};
  const MongoRelay relay(
      uri(), [&](const std::string& command) { return silent && command == "update" ? Then::mute : Then::pass; });
  Geod one(relay.uri(), database(), 2s);
  EXPECT_EQ(one.take(1, up_to(2)), "taken");
  silent = true;
  EXPECT_EQ(one.take(2, up_to(2)), "upstream_unavailable");
  silent = false;
  // It had been; but whoever asked was refused, and so it counts no more.
  EXPECT_EQ(one.list().size(), 2u);
  EXPECT_EQ(geod().take(3, up_to(2)), "limit_exceeded");  // who cannot know that
  EXPECT_EQ(one.take(3, up_to(2)), "taken");
  EXPECT_EQ(one.list().size(), 2u);
  EXPECT_EQ(one.take(2, up_to(2)), "limit_exceeded");
}

TEST_F(MongoLeases, WhoComesAgainAfterAnUpdateInDoubtTakesItAnew) {
  std::atomic<bool> silent{false};
  const MongoRelay relay(
      uri(), [&](const std::string& command) { return silent && command == "insert" ? Then::mute : Then::pass; });
  Geod one(relay.uri(), database(), 1s);
  silent = true;
  EXPECT_EQ(one.take(2, up_to(1)), "upstream_unavailable");
  silent = false;
  EXPECT_EQ(one.take(2, up_to(1), kNow + 1s), "taken");
  EXPECT_EQ(one.take(2, up_to(1), kNow + 2s), "renewed");
  EXPECT_EQ(one.take(3, up_to(1), kNow + 3s), "limit_exceeded");
  EXPECT_EQ(one.list().size(), 1u);
}

// Whoever asked has gone by when the update is done.
TEST_F(MongoLeases, WhatComesTooLateCountsNoMore) {
  std::promise<void> release;
  const auto released = release.get_future().share();
  const MongoRelay relay(uri(), [&](const std::string& command) {
    if (command == "insert") released.wait();
    return Then::pass;
  });
  Geod one(relay.uri(), database());
  const MonotonicTime soon = std::chrono::steady_clock::now() + 300ms;
  EXPECT_FALSE(one.leases.take(key(1), up_to(1), {kNow, soon, Wait::until(soon)}));
  release.set_value();
  EXPECT_EQ(one.take(2, up_to(1)), "taken");
  const auto listed = one.list();
  ASSERT_EQ(listed.size(), 1u);
  EXPECT_EQ(listed[0].client_ip, "10.0.0.2");
}

// A read and an update that each take their time have theirs.
TEST_F(MongoLeases, ASlowReadLeavesTheUpdateItsTime) {
  const MongoRelay relay(uri(), [&](const std::string& command) {
    if (command == "find" || command == "insert") std::this_thread::sleep_for(600ms);
    return Then::pass;
  });
  Geod one(relay.uri(), database(), 30s, 1s);
  EXPECT_EQ(one.take(1, up_to(1)), "taken");
}

// What a read brought too late for one is known to the next.
TEST_F(MongoLeases, ASlowReadIsNotInVain) {
  Counts counts;
  std::promise<void> release;
  const auto released = release.get_future().share();
  const MongoRelay relay(uri(), [&](const std::string& command) {
    if (command == "find") released.wait();
    return counts.add(command);
  });
  Geod one(relay.uri(), database());
  const MonotonicTime soon = std::chrono::steady_clock::now() + 100ms;
  EXPECT_FALSE(one.leases.take(key(1), up_to(2), {kNow, soon, Wait::until(soon)}));
  release.set_value();
  EXPECT_EQ(one.take(2, up_to(2)), "taken");
  EXPECT_EQ(counts.of("find"), 1);
  EXPECT_EQ(one.list().size(), 1u);
}

TEST_F(MongoLeases, WritesThatHangOpenABreakerOfTheirOwn) {
  std::atomic<bool> silent{true};
  const MongoRelay relay(uri(), [&](const std::string& command) {
    return silent && (command == "insert" || command == "update") ? Then::mute : Then::pass;
  });
  Geod one(relay.uri(), database(), 500ms, 500ms);
  for (unsigned i = 0; i < Breaker::kFailures; ++i) EXPECT_EQ(one.take(1, up_to(1)), "upstream_unavailable");
  EXPECT_EQ(one.take(1, up_to(1)), "none");
  EXPECT_EQ(one.take(2, up_to(1)), "none");
  EXPECT_TRUE(one.leases.look(key(3), up_to(1), moment(kNow))->has_value());
  EXPECT_EQ(one.health->breaker.state(one.clock.monotonic()), Breaker::State::closed);
  const auto told = one.lines();
  ASSERT_EQ(told.size(), 1u);
  EXPECT_EQ(told[0].substr(0, 37), "leases cannot be written: timed out: ") << told[0];
  silent = false;
  one.clock.move(Breaker::kOpenFor);
  EXPECT_EQ(one.take(2, up_to(2)), "taken");
  EXPECT_EQ(one.lines().back(), "leases can be written again");
  EXPECT_EQ(one.lines().size(), 2u);
}

TEST_F(MongoLeases, WritesThatAreRefusedAreToldAtOnce) {
  const auto ok = test::found({});
  const auto denied =
      test::document(test::element(0x01, "ok", std::string(8, '\0')) +
                     test::element(0x10, "code", test::int32_bytes(13)) + test::text("errmsg", "not authorized"));
  std::atomic<bool> reads{false};
  const test::WireServer server([&] { return (reads = !reads) ? ok : denied; });
  Geod one(server.uri(), "geo");
  for (unsigned i = 0; i < Breaker::kFailures; ++i) EXPECT_EQ(one.take(1, up_to(1)), "upstream_unavailable");
  EXPECT_EQ(one.take(1, up_to(1)), "none");
  EXPECT_EQ(one.lines(), std::vector<std::string>{"leases cannot be written: not authorized (code 13)"});
}

TEST_F(MongoLeases, AConnectionThatBreaksWithTheUpdateCountsOnce) {
  std::atomic<bool> cut{false};
  const MongoRelay relay(uri(), [&](const std::string& command) {
    return (command == "update" || command == "insert") && cut.exchange(false) ? Then::cut : Then::pass;
  });
  Geod one(relay.uri(), database());
  cut = true;
  EXPECT_EQ(one.take(1, up_to(2)), "renewed");  // what the read then finds
  cut = true;
  EXPECT_EQ(one.take(2, up_to(2)), "renewed");
  EXPECT_EQ(one.take(3, up_to(2)), "limit_exceeded");
  EXPECT_EQ(one.list().size(), 2u);
}

TEST_F(MongoLeases, AnUnreadableDocumentIsLeftAsItIs) {
  const auto leases = test::element(0x03, "leases", test::document(""));
  put("leases", test::document(test::text("_id", "u1") + test::text("rev", "one") + leases));
  Geod one = geod();
  EXPECT_EQ(one.take(1, up_to(1)), "upstream_unavailable");
  EXPECT_EQ(one.take(1, up_to(1), kNow, "u2"), "taken");
  EXPECT_EQ(one.lines(), std::vector<std::string>{"leases u1: rev: expected an integer, found a string"});
  EXPECT_EQ(one.health->breaker.state(one.clock.monotonic()), Breaker::State::closed);
  Document::Ptr row;
  ASSERT_TRUE(one.connection->find({.collection = "leases", .sort = {}, .limit = 1},
                                   std::chrono::steady_clock::now() + kEnough, [&](Found found) { row = *found; }));
  EXPECT_EQ(row->get<std::string>("rev"), "one");
}

// ---- a model ----

TEST_F(MongoLeases, DoesWhatAModelDoes) {
  struct Held {
    WallTime taken_at, expires_at;
  };
  std::array<Geod, 2> processes{geod(), geod()};
  std::minstd_rand dice(7);
  std::map<std::pair<std::string, int>, Held> model;
  std::map<std::string, std::optional<WallTime>> reported;
  std::map<std::string_view, int> seen;
  WallTime now = kNow;
  for (int step = 0; step < 1500; ++step) {
    now += std::chrono::milliseconds(dice() % 4000);
    const std::string user = dice() % 2 ? "u1" : "u2";
    if (dice() % 20 == 0) reported[user] = now - std::chrono::milliseconds(dice() % 5000);
    const int n = static_cast<int>(dice() % 8);
    const billing::LeaseTerms terms{static_cast<std::int64_t>(dice() % 6), static_cast<std::int64_t>(dice() % 3),
                                    reported[user]};
    std::erase_if(model, [&](const auto& each) { return each.second.expires_at <= now; });
    const auto others = std::count_if(model.begin(), model.end(), [&](const auto& each) {
      return each.first.first == user && each.first.second != n &&
             (!terms.reported_at || each.second.taken_at > *terms.reported_at);
    });
    const auto own = model.find({user, n});
    Geod& process = processes[dice() % 2];
    if (dice() % 4 == 0) {
      const auto looked = process.leases.look(key(n, user), terms, moment(now));
      ASSERT_TRUE(looked && *looked);
      EXPECT_EQ((*looked)->others, others) << step;
      EXPECT_EQ((*looked)->own, own != model.end()) << step;
      continue;
    }
    std::string_view expected = "limit_exceeded";
    if (own != model.end()) {
      expected = "renewed";
      own->second.expires_at = now + 30s;
    } else if (terms.streams + others < terms.max_streams) {
      expected = "taken";
      model[{user, n}] = {now, now + 30s};
    }
    ++seen[expected];
    ASSERT_EQ(process.take(n, terms, now, user), expected) << step;
  }
  EXPECT_EQ(seen.size(), 3u);
}
