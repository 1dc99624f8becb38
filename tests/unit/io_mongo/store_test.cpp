#include <Poco/MongoDB/Array.h>

#include <set>
#include <thread>

#include "allocations.h"
#include "mongo_wire.h"
#include "on_store.h"

namespace geo::io::mongo {
namespace {

constexpr std::string_view kServer = "100-abcdef-with-a-long-name";
const auth::Owner kOwner{"user", "u1"};

Digest digest_of(std::uint8_t first) {
  Digest digest{};
  digest[0] = first;
  return digest;
}
const Digest kToken = digest_of(1);

class MongoStoreRows : public OnStore {
 protected:
  void put_all() {
    put_row(auth::Token{kToken, kOwner, {}});
    put_row(auth::Grant{kOwner, "camera", std::string(kServer), "0", {"view"}});
    put_row(billing::User{"u1", "home", {}, false});
    put_row(billing::Tariff{"home", {"flv"}, 4});
    put_row(billing::Usage{"u1", 2, {}});
    put_row(devices::Server{std::string(kServer), "msk-1", true, "", "user", "u2"});
    put_row(devices::Camera{std::string(kServer), "0", true, {"flv"}});
  }
  // What all ports say: one letter each, "+" found, "-" none, "!" a failure, "?" not at hand.
  std::string all(const Moment& at) {
    const auto word = [](const auto& answer) {
      if (!answer) return '?';
      if (!*answer) return (*answer).error().code == ErrorCode::upstream_unavailable ? '!' : 'x';
      return **answer ? '+' : '-';
    };
    const MongoStore& it = store();
    return {word(it.token(kToken, at)),     word(it.rights(kOwner, "camera", kServer, "0", at)),
            word(it.owner_of(kServer, at)), word(it.user("u1", at)),
            word(it.tariff("home", at)),    word(it.usage("u1", at)),
            word(it.server(kServer, at)),   word(it.camera(kServer, "0", at))};
  }
  // All of it is in the caches. A slow machine may need more than one attempt.
  void know_all() {
    put_all();
    for (int i = 0; ask_all(now()) != "++++++++"; ++i) {
      ASSERT_LT(i, 100);
      clock_.move(5s);
    }
  }
  // Side by side.
  std::string ask_all(const Moment& at) {
    (void)all(at_once());
    return all(at);
  }
};

TEST_F(MongoStoreRows, EachIsFoundByItsKey) {
  put_all();
  const MongoStore& it = store();
  EXPECT_EQ((**it.token(kToken, now())).row->owner, kOwner);
  EXPECT_EQ(*(**it.rights(kOwner, "camera", kServer, "0", now())).row, auth::Rights{"view"});
  EXPECT_EQ(*(**it.owner_of(kServer, now())).row, (auth::Owner{"user", "u2"}));
  EXPECT_EQ((**it.user("u1", now())).row->tariff, "home");
  EXPECT_EQ((**it.tariff("home", now())).row->max_streams, 4);
  EXPECT_EQ((**it.usage("u1", now())).row->streams, 2);
  EXPECT_EQ((**it.server(kServer, now())).row->dc, "msk-1");
  EXPECT_EQ((**it.camera(kServer, "0", now())).row->streams, (std::vector<std::string>{"flv"}));
}

TEST_F(MongoStoreRows, WhatIsNotThereIsNoFailureAndIsAskedForOnce) {
  std::string first = all(at_once());
  first[6] = '?';  // the server: its row was asked for as its owner's, and may have come meanwhile
  EXPECT_EQ(first, "????????");
  EXPECT_EQ(all(now()), "--------");
  EXPECT_EQ(all(at_once()), "--------");
  EXPECT_EQ(way_->finds(), 7);
  clock_.move(51s);
  put_all();
  EXPECT_EQ(all(now()), "++++++++");
  EXPECT_TRUE(log().empty());
}

TEST_F(MongoStoreRows, TellsWhereTheyCameFrom) {
  put_all();
  EXPECT_EQ((**store().user("u1", now())).from, From::upstream);
  EXPECT_EQ((**store().user("u1", now())).from, From::cache);
  EXPECT_EQ((**store().user("nobody", now())).from, From::upstream);
  EXPECT_EQ((**store().user("nobody", now())).from, From::cache);
}

TEST_F(MongoStoreRows, WhatIsNoIdIsNotAskedFor) {
  put_document("cameras", with("online", true, with("_id", std::string("a/b/c"))));
  EXPECT_FALSE(**store().camera("a/b", "c", at_once()));
  EXPECT_FALSE(**store().camera("a", "b/c", at_once()));
  EXPECT_FALSE(**store().user("", at_once()));
  EXPECT_FALSE(**store().tariff("$ne", at_once()));
  EXPECT_FALSE(**store().server(std::string(65, 'a'), at_once()));
  EXPECT_FALSE(**store().rights({"user", "u1/camera"}, "camera", "s", "0", at_once()));
  EXPECT_EQ(way_->finds(), 0);
}

TEST_F(MongoStoreRows, ServerAndItsOwnerAreOneRow) {
  put_all();
  (void)store().server(kServer, now());
  EXPECT_TRUE(**store().owner_of(kServer, at_once()));
  EXPECT_EQ(way_->finds(), 1);
}

TEST_F(MongoStoreRows, AHitTakesNoMemory) {
  put_all();
  ASSERT_EQ(all(now()), "++++++++");
  for (int i = 0; i < 3; ++i) (void)all(at_once());  // the thread's own view of the caches is made meanwhile
  const Moment at = at_once();
  const std::size_t before = test::allocations();
  (void)store_->token(kToken, at);
  (void)store_->rights(kOwner, "camera", kServer, "0", at);
  (void)store_->owner_of(kServer, at);
  (void)store_->user("u1", at);
  (void)store_->tariff("home", at);
  (void)store_->usage("u1", at);
  (void)store_->server(kServer, at);
  (void)store_->camera(kServer, "0", at);
  (void)store_->camera(kServer, "0", at);
  EXPECT_EQ(test::allocations(), before);
}

// ---- grants ----

TEST_F(MongoStoreRows, GrantsAreFoundByTheirFieldsWhateverTheirId) {
  const auto put = [&](const std::string& id, const std::string& right, const std::string& object) {
    Poco::MongoDB::Array::Ptr rights = new Poco::MongoDB::Array;
    rights->add("0", right);
    Document::Ptr grant = new Document;
    grant->add("_id", id).add("owner_type", std::string("user")).add("owner_id", std::string("u1"));
    grant->add("object_type", std::string("camera")).add("server", std::string("s")).add("object_id", object);
    grant->add("rights", rights);
    put_document("grants", grant);
  };
  put("any", "view", "0");
  put("other", "control", "0");
  put("third", "view", "0");
  put("fourth", "archive", "1");
  const auto rights = **store().rights(kOwner, "camera", "s", "0", now());
  EXPECT_EQ(std::set<std::string>(rights->begin(), rights->end()), (std::set<std::string>{"view", "control"}));
  EXPECT_EQ(rights->size(), 2u);
  EXPECT_FALSE(**store().rights(kOwner, "camera", "other", "0", now()));
  EXPECT_FALSE(**store().rights({"user", "u2"}, "camera", "s", "0", now()));
  EXPECT_FALSE(**store().rights({"group", "u1"}, "camera", "s", "0", now()));
  EXPECT_FALSE(**store().rights(kOwner, "server", "s", "0", now()));
}

TEST_F(MongoStoreRows, AGrantToAServerMayNameItTwice) {
  put_row(auth::Grant{kOwner, "server", "", "s1", {"view"}});
  put_row(auth::Grant{kOwner, "server", "s2", "s2", {"view"}});
  EXPECT_TRUE(**store().rights(kOwner, "server", "s1", "s1", now()));
  EXPECT_TRUE(**store().rights(kOwner, "server", "s2", "s2", now()));
  EXPECT_TRUE(**store().rights(kOwner, "server", "", "s2", now()));
}

// ---- many at once ----

TEST_F(MongoStoreRows, ManyMissesAreFewCalls) {
  constexpr int kCameras = 1000;
  std::vector<Document::Ptr> cameras;
  for (int i = 0; i < kCameras; ++i)
    cameras.push_back(Documents<devices::Camera>::write({"s", std::to_string(i), i % 2 == 0, {"flv"}}));
  ASSERT_TRUE(direct_->insert("cameras", cameras, in_a_minute()));
  (void)store().camera("s", "none", now());
  way_->set(Way::Mode::silent);
  for (int i = 0; i < kCameras; ++i) EXPECT_FALSE(store().camera("s", std::to_string(i), at_once()));
  way_->set(Way::Mode::open);
  for (int i = 0; i < kCameras; ++i) {
    const auto camera = store().camera("s", std::to_string(i), now());
    ASSERT_TRUE(camera && *camera && **camera) << i;
    EXPECT_EQ((***camera).id, std::to_string(i));
    EXPECT_EQ((***camera).online, i % 2 == 0);
  }
  // 16 are under way at once, the others gather.
  EXPECT_LE(way_->finds(), 1 + 16 + kCameras / 100);
}

TEST_F(MongoStoreRows, ManyMissesOfGrantsAreFewCalls) {
  constexpr int kGrants = 300;
  std::vector<Document::Ptr> grants;
  for (int i = 0; i < kGrants; ++i)
    grants.push_back(
        Documents<auth::Grant>::write({kOwner, "camera", "s", std::to_string(i), {"right-" + std::to_string(i)}}));
  ASSERT_TRUE(direct_->insert("grants", grants, in_a_minute()));
  (void)store().rights(kOwner, "camera", "s", "none", now());
  way_->set(Way::Mode::silent);
  for (int i = 0; i < 2 * kGrants; ++i) (void)store().rights(kOwner, "camera", "s", std::to_string(i), at_once());
  way_->set(Way::Mode::open);
  for (int i = 0; i < 2 * kGrants; ++i) {
    const auto rights = store().rights(kOwner, "camera", "s", std::to_string(i), now());
    ASSERT_TRUE(rights && *rights) << i;
    ASSERT_EQ(static_cast<bool>(**rights), i < kGrants) << i;
    if (i < kGrants) {
      EXPECT_EQ(***rights, auth::Rights{"right-" + std::to_string(i)});
    }
  }
  EXPECT_LE(way_->finds(), 1 + 16 + 2 * kGrants / 100);
}

TEST_F(MongoStoreRows, ManyWhoMissTheSameAreOneCall) {
  put_all();
  std::vector<std::thread> threads;
  std::atomic<int> found{0};
  way_->set(Way::Mode::silent);
  (void)store().user("u1", at_once());
  for (int i = 0; i < 8; ++i) threads.emplace_back([&] { found += static_cast<bool>(**store().user("u1", now())); });
  way_->set(Way::Mode::open);
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(found, 8);
  EXPECT_EQ(way_->finds(), 1);
}

// ---- documents that cannot be read ----

TEST_F(MongoStoreRows, UnreadableIsNotAbsentWhereThatWouldCost) {
  const std::string token = hex(kToken.data(), kToken.size());
  put_document("tokens", with("owner_type", 7, with("_id", token)));
  put_document("users", with("tariff", 7, with("_id", std::string("u1"))));
  put_document("tariffs", with("_id", std::string("home")));
  put_document("usage", with("streams", -1, with("_id", std::string("u1"))));
  put_document("servers", with("online", 1, with("_id", std::string(kServer))));
  put_document("cameras", with("online", 1, with("_id", std::string(kServer) + "/0")));
  Document::Ptr grant = Documents<auth::Grant>::write({kOwner, "camera", std::string(kServer), "0", {}});
  put_document("grants", with("rights", 5, grant));
  EXPECT_EQ(all(now()), "!--!!!--");
  const auto lines = log();
  EXPECT_EQ(lines.size(), 7u);
  for (const std::string& id :
       {"tokens " + token, std::string("users u1"), std::string("tariffs home"), std::string("usage u1: streams"),
        "servers " + std::string(kServer) + ": online", "cameras " + std::string(kServer) + "/0: online",
        "grants user/u1/camera/" + std::string(kServer) + "/0: rights"})
    EXPECT_EQ(std::count_if(lines.begin(), lines.end(), [&](const auto& line) { return line.starts_with(id); }), 1)
        << id;
  EXPECT_EQ(skipped("usage"), 1u);
  EXPECT_EQ(skipped("grants"), 1u);
  EXPECT_EQ(skipped("nodes"), 0u);

  // What failed is asked for again, what is told is told and counted once a minute, and no breaker opens.
  for (int i = 0; i < 10; ++i) EXPECT_EQ(all(now()), "!--!!!--");
  EXPECT_EQ(skipped("usage"), 1u);
  EXPECT_EQ(log().size(), 7u);
  EXPECT_EQ(store().status(clock_.monotonic()).state, Breaker::State::closed);
  EXPECT_FALSE(store().is_away());
  clock_.move(61s);
  EXPECT_EQ(all(now()), "!--!!!--");
  EXPECT_EQ(log().size(), 14u);

  // No client is told about the store.
  const Denial denial = (*store().user("u1", now())).error();
  EXPECT_EQ(denial.detail, "store cannot be asked at the moment");
  change("users", Documents<billing::User>::write({"u1", "home", {}, false}));
  EXPECT_TRUE(**store().user("u1", now()));
}

TEST_F(MongoStoreRows, AUserWithoutATariffIsThere) {
  put_document("users", with("_id", std::string("u1")));
  put_document("users",
               with("tariff", Poco::MongoDB::NullValue(), with("blocked", true, with("_id", std::string("u2")))));
  const auto one = store().user("u1", now());
  const auto two = store().user("u2", now());
  ASSERT_TRUE(*one && **one && *two && **two);
  EXPECT_EQ((**one).row->tariff, "");
  EXPECT_TRUE((**two).row->blocked);
  EXPECT_TRUE(log().empty());
}

TEST_F(MongoStoreRows, OneThatCannotBeReadSpoilsNoOther) {
  for (int i = 0; i < 50; ++i) put_row(billing::User{"u" + std::to_string(i), "home", {}, false});
  change("users", with("tariff", 1, with("_id", std::string("u7"))));
  (void)store().user("none", now());
  way_->set(Way::Mode::silent);
  for (int i = 0; i < 50; ++i) (void)store().user("u" + std::to_string(i), at_once());
  way_->set(Way::Mode::open);
  for (int i = 0; i < 50; ++i) EXPECT_EQ((*store().user("u" + std::to_string(i), now())).has_value(), i != 7) << i;
}

TEST_F(MongoStoreRows, AnUnreadableRowIsServedFromWhatWasKnown) {
  put_all();
  ASSERT_TRUE(**store().usage("u1", now()));
  change("usage", with("streams", std::string("many"), with("_id", std::string("u1"))));
  clock_.move(61s);
  const auto usage = **store().usage("u1", now());
  EXPECT_EQ(usage->streams, 2);
  EXPECT_EQ(usage.from, From::stale);
}

TEST_F(MongoStoreRows, HostileDocumentsAreNoRows) {
  std::string deep = test::document(test::text("x", "y"));
  for (int i = 0; i < 150; ++i) deep = test::document(test::element(0x03, "x", deep));
  const auto id = test::text("_id", "u1");
  const std::vector<std::string> users{
      test::document(id + test::element(0x03, "tariff", deep)),
      test::document(id + test::text("tariff", "\xff\xfe")),
      test::document(id + test::text("tariff", std::string("a\0b", 3))),
      test::document(id + test::element(0x01, "tariff", std::string(8, '\xff'))),
      test::document(id + test::text("tariff", std::string(3 << 20, 'a'))),
      test::document(id + test::text("tariff", "home") + test::text("paid_until", "soon")),
      test::document(id + test::text("tariff", "home") + test::element(0x12, "blocked", std::string(8, '\0'))),
  };
  for (const std::string& user : users) {
    (void)direct_->remove("users", {}, in_a_minute());
    put("users", user);
    const auto answer = store().user("u1", now());
    ASSERT_TRUE(answer);
    ASSERT_FALSE(*answer) << &user - users.data();
    EXPECT_EQ(answer->error().code, ErrorCode::upstream_unavailable);
    clock_.move(61s);  // each is told
  }
  EXPECT_EQ(skipped("users"), users.size());
  // Unknown fields may hold anything, also 8 MB of it.
  (void)direct_->remove("users", {}, in_a_minute());
  put("users", test::document(id + test::text("tariff", "home") + test::text("junk", std::string(8 << 20, 'a')) +
                              test::element(0x03, "deep", deep) + test::text("bad", "\xff")));
  EXPECT_TRUE(**store().user("u1", now()));
}

TEST_F(MongoStoreRows, AnIdOfTwoLinesIsToldInOne) {
  put_document("node_states", with("seen_at", 1, with("_id", std::string("a\nb"))));
  ASSERT_TRUE(store().node_states(in_a_minute()));
  ASSERT_EQ(log().size(), 1u);
  EXPECT_EQ(log()[0].find('\n'), std::string::npos) << log()[0];
}

// ---- the life of a token ----

TEST_F(MongoStoreRows, ATokenIsReadAnewAtItsEnd) {
  const WallTime end = std::chrono::floor<std::chrono::milliseconds>(clock_.wall()) + 30s;
  put_row(auth::Token{kToken, kOwner, end});
  ASSERT_TRUE(**store().token(kToken, now()));
  change("tokens", Documents<auth::Token>::write({kToken, kOwner, end + 1h}));
  clock_.move(31s);
  EXPECT_EQ((**store().token(kToken, now()))->expires_at, end + 1h);
}

TEST_F(MongoStoreRows, AnExpiredTokenIsKeptAsOneThatIsNotKnown) {
  const WallTime end = std::chrono::floor<std::chrono::milliseconds>(clock_.wall()) - 1h;
  put_row(auth::Token{kToken, kOwner, end});
  ASSERT_TRUE(**store().token(kToken, now()));
  clock_.move(5s);
  EXPECT_EQ((**store().token(kToken, now())).from, From::cache);
  clock_.move(46s);
  EXPECT_EQ((**store().token(kToken, now())).from, From::upstream);
}

// ---- the store fails ----

// A server that is gone is looked for until the time is up.
constexpr std::chrono::milliseconds kShort{1000};

TEST_F(MongoStoreRows, WhatIsKnownServesWhileTheStoreIsGoneButNotForEver) {
  settings_.timeout = kShort;
  know_all();
  way_->set(Way::Mode::gone);
  clock_.move(61s);
  EXPECT_EQ(ask_all(now()), "++++++++");
  EXPECT_EQ((**store().user("u1", now())).from, From::stale);
  EXPECT_TRUE(store().is_away());
  const auto unknown = store().user("u2", now());
  ASSERT_TRUE(unknown);
  EXPECT_EQ(unknown->error().code, ErrorCode::upstream_unavailable);
  clock_.move(600s);
  EXPECT_EQ(ask_all(now()), "!!!!!!!!");

  // Nobody asks a server again that has refused half a second ago, whatever this clock says.
  way_->set(Way::Mode::open);
  const auto began = std::chrono::steady_clock::now();
  while (ask_all(now()) != "++++++++") {
    ASSERT_LT(std::chrono::steady_clock::now(), began + 60s);
    clock_.move(5s);
  }
  EXPECT_FALSE(store().is_away());
  EXPECT_EQ(store().status(clock_.monotonic()).state, Breaker::State::closed);
  EXPECT_EQ((**store().user("u1", now())).from, From::cache);
}

TEST_F(MongoStoreRows, ASilentStoreIsWaitedForNoLongerThanAgreed) {
  settings_.timeout = kShort;
  know_all();
  way_->set(Way::Mode::silent);
  clock_.move(61s);
  EXPECT_EQ(ask_all(now()), "++++++++");  // the request may wait a minute, and the server is silent for ever
  EXPECT_EQ((**store().user("u1", now())).from, From::stale);
  EXPECT_EQ((*store().user("u2", now())).error().code, ErrorCode::upstream_unavailable);
  const MonotonicTime patience = in_a_minute();  // the call itself may end a little later than who waited for it
  while (!store().is_away()) ASSERT_LT(std::chrono::steady_clock::now(), patience);
}

TEST_F(MongoStoreRows, TheBreakerLeavesAStoreAloneThatFails) {
  settings_.timeout = kShort;
  clock_.hold();
  put_all();
  way_->set(Way::Mode::gone);
  EXPECT_EQ(ask_all(now()), "!!!!!!!!");
  for (int i = 0; store().status(clock_.monotonic()).state != Breaker::State::open; ++i) {
    ASSERT_LT(i, 100);
    EXPECT_EQ(ask_all(now()), "!!!!!!!!");
  }
  EXPECT_TRUE(store().is_away());
  way_->set(Way::Mode::open);
  EXPECT_EQ(all(now()), "!!!!!!!!");
  EXPECT_EQ(way_->finds(), 0);
  const UpstreamStatus status = store().status(clock_.monotonic());
  EXPECT_EQ(status.name, "store");
  EXPECT_NE(status.last_error, "");
}

TEST(MongoStoreRefused, AServerThatAnswersAnErrorIsOneThatFails) {
  const std::string refusal = test::document(
      test::element(0x01, "ok", std::string(8, '\0')) + test::element(0x10, "code", test::int32_bytes(13)) +
      test::text("errmsg", "not authorized on geo to execute command { find: \"users\" }"));
  test::WireServer server([&] { return refusal; });
  MovedClock clock;
  MongoSettings settings;
  settings.uri = server.uri();
  settings.timeout = 60s;
  const auto store = MongoStore::open(settings, clock);
  ASSERT_TRUE(store) << store.error();
  const Moment at{clock.wall(), clock.monotonic(), Wait::until(clock.monotonic() + 60s)};
  const auto user = (*store)->user("u1", at);
  ASSERT_TRUE(user);
  EXPECT_EQ(user->error().code, ErrorCode::upstream_unavailable);
  EXPECT_EQ(user->error().detail, "store cannot be asked at the moment");
  EXPECT_TRUE((*store)->is_away());
  EXPECT_NE((*store)->status(clock.monotonic()).last_error.find("not authorized"), std::string::npos);
}

TEST(MongoStoreOpen, NamesTheFaultOfAnUri) {
  MovedClock clock;
  MongoSettings settings;
  settings.uri = "mongodb://user:secret@";
  const auto store = MongoStore::open(settings, clock);
  ASSERT_FALSE(store);
  EXPECT_EQ(store.error().find("secret"), std::string::npos);
}

TEST(MongoStoreOpen, SaysWhereItIsWithoutSecrets) {
  MovedClock clock;
  MongoSettings settings;
  settings.uri = "mongodb://user:secret@a.example.com,b.example.com:27018/?maxPoolSize=7";
  const auto store = MongoStore::open(settings, clock);
  ASSERT_TRUE(store) << store.error();
  EXPECT_EQ((*store)->where(), "a.example.com:27017,b.example.com:27018/geo");
  EXPECT_EQ((*store)->pool().size, 7u);
  EXPECT_EQ((*store)->pool().busy, 0u);
}

TEST_F(MongoStoreRows, EndsWhileItIsAsked) {
  put_all();
  way_->set(Way::Mode::silent);
  settings_.timeout = 300ms;
  for (int i = 0; i < 100; ++i) (void)store().camera("s", std::to_string(i), at_once());
  store_.reset();
}

TEST_F(MongoStoreRows, CountsItsCachesBySection) {
  put_all();
  ASSERT_EQ(all(now()), "++++++++");
  const auto caches = store().caches();
  ASSERT_EQ(caches[0].section, "tokens");
  EXPECT_EQ(caches[0].stats.loads, 2u);
  ASSERT_EQ(caches[3].section, "devices");
  EXPECT_EQ(caches[3].stats.entries, 2u);
  EXPECT_EQ(caches[3].stats.hits + caches[3].stats.misses, 3u);
  EXPECT_EQ(store().status(clock_.monotonic()).calls[static_cast<std::size_t>(Outcome::found)], 7u);
}

}  // namespace
}  // namespace geo::io::mongo
