// A replica set whose primary changes, in the middle of what is being done.
#include <gtest/gtest.h>

#include <functional>
#include <latch>
#include <map>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "geo/base/guarded.h"
#include "geo/io/mongo_admin.h"
#include "geo/io/system.h"
#include "io/mongo/connection.h"
#include "io/mongo/leases.h"
#include "io/mongo/rows.h"
#include "mongo.h"
#include "mongo_set.h"

using namespace geo;
using namespace geo::io::mongo;
using namespace std::chrono_literals;
using io::Data;
using io::MongoAdmin;
using io::MongoStore;
using test::ReplicaSet;
using Kind = Failure::Kind;
using Sessions = ReplicaSet::Sessions;
using Then = ReplicaSet::Then;
using What = ReplicaSet::Then::What;

namespace {

constexpr auto kEnough = 60s;  // more than anything takes
constexpr WallTime kNow{1'800'000'000s};
constexpr Then kPass{};
constexpr Then kRefuse{What::refuse, ReplicaSet::kPrimarySteppedDown};
constexpr Then kLose{What::lose, 0};
constexpr Then kDoubt{What::doubt, ReplicaSet::kInterruptedDueToReplStateChange};

MonotonicTime later() { return std::chrono::steady_clock::now() + kEnough; }

// Nobody waits for a primary for long.
constexpr const char* kBriefly = "&serverSelectionTimeoutMS=300";

bool sooner_or_later(const std::function<bool()>& is_so) {
  for (const MonotonicTime until = later(); std::chrono::steady_clock::now() < until;)
    if (is_so()) return true;
  return false;
}

bool is_write(const std::string& command) {
  return command == "insert" || command == "update" || command == "delete" || command == "createIndexes";
}

Document::Ptr row(const std::string& id, Poco::Int32 n) {
  Document::Ptr out = new Document;
  out->add("_id", id).add("n", n);
  return out;
}
Document::Ptr id_is(const std::string& id) {
  Document::Ptr out = new Document;
  out->add("_id", id);
  return out;
}
Document::Ptr one_more() {
  Document::Ptr out = new Document;
  out->addNewDocument("$inc").add("n", Poco::Int32{1});
  return out;
}

std::string told(Sessions sessions, const Then& then) {
  return "sessions " + std::to_string(static_cast<int>(sessions)) + ", then " +
         std::to_string(static_cast<int>(then.what)) + " " + std::to_string(then.code);
}

class MongoStepDown : public test::OnMongo {
 protected:
  void SetUp() override {
    OnMongo::SetUp();
    if (IsSkipped() || HasFatalFailure()) return;
    direct_ = open(uri());
  }
  void TearDown() override {
    set_.reset();
    direct_.reset();
    OnMongo::TearDown();
  }

  // Three members, of whom the next takes over at the nth command that `counts`, which ends as `then` says.
  void make_set(Sessions sessions) {
    set_ = std::make_unique<ReplicaSet>(
        uri(), 3, [this](const std::string& command) { return hook(command); }, sessions);
  }
  void step_down_at(int nth, Then then, bool (*counts)(const std::string&), bool elects = true) {
    const std::lock_guard lock(mutex_);
    left_ = nth;
    then_ = then;
    counts_ = counts;
    elects_ = elects;
  }
  bool has_stepped_down() {
    const std::lock_guard lock(mutex_);
    return left_ == 0;
  }
  std::unique_ptr<Connection> open(const std::string& uri) const {
    return std::move(*Connection::open({uri, database(), 30s}));
  }
  int n_of(const std::string& id) {
    int n = -1;
    EXPECT_TRUE(direct_->find({"rows", id_is(id)}, later(), [&](Found found) { n = (*found)->getInteger("n"); }));
    return n;
  }

  std::unique_ptr<ReplicaSet> set_;
  std::unique_ptr<Connection> direct_;

 private:
  Then hook(const std::string& command) {
    const std::lock_guard lock(mutex_);
    if (left_ <= 0 || !counts_(command) || --left_ > 0) return kPass;
    set_->elect(elects_ ? (set_->primary() + 1) % 3 : ReplicaSet::kNobody);
    return then_;
  }

  std::mutex mutex_;
  int left_ = -1;
  Then then_;
  bool (*counts_)(const std::string&) = is_write;
  bool elects_ = true;
};

bool is_find(const std::string& command) { return command == "find"; }

}  // namespace

// ---- an operation ----

TEST_F(MongoStepDown, AReadGoesOnWithTheNewPrimary) {
  ASSERT_TRUE(direct_->insert("rows", {row("a", 1)}, later()));
  make_set(Sessions::none);
  const auto in = open(set_->uri());
  for (const std::int32_t code : {10107, 189, 91, 11600, 11602, 13435, 13436}) {
    step_down_at(1, {What::refuse, code}, is_find);
    int seen = 0;
    const auto done = in->find({"rows"}, later(), [&](const Found&) { ++seen; });
    EXPECT_TRUE(done) << code << " " << done.error().why;
    EXPECT_EQ(seen, 1) << code;
    EXPECT_TRUE(has_stepped_down());
  }
}

TEST_F(MongoStepDown, AWriteThatWasRefusedIsUnreachable) {
  ASSERT_TRUE(direct_->insert("rows", {row("a", 1)}, later()));
  make_set(Sessions::none);
  const auto in = open(set_->uri());
  const auto kind_of = [&](const auto& operation) {
    step_down_at(1, kRefuse, is_write);
    const auto done = operation();
    return done ? std::string("done") : done.error().kind == Kind::unreachable ? "unreachable" : done.error().why;
  };
  EXPECT_EQ(kind_of([&] { return in->update("rows", id_is("a"), one_more(), false, later()); }), "unreachable");
  EXPECT_EQ(kind_of([&] { return in->insert("rows", {row("b", 1)}, later()); }), "unreachable");
  EXPECT_EQ(kind_of([&] { return in->replace("rows", {{id_is("a"), row("a", 7)}}, later()); }), "unreachable");
  EXPECT_EQ(kind_of([&] { return in->remove("rows", id_is("a"), later()); }), "unreachable");
  EXPECT_EQ(kind_of([&] { return in->create_index("rows", "n", one_more(), {}, later()); }), "unreachable");
  EXPECT_EQ(n_of("a"), 1);
  EXPECT_EQ(n_of("b"), -1);
}

TEST_F(MongoStepDown, OfAWriteInDoubtNobodyCanTell) {
  ASSERT_TRUE(direct_->insert("rows", {row("a", 1)}, later()));
  make_set(Sessions::none);
  const auto in = open(set_->uri());
  int n = 1;
  for (const Then& then : {kLose, kDoubt}) {
    step_down_at(1, then, is_write);
    const auto done = in->update("rows", id_is("a"), one_more(), false, later());
    ASSERT_FALSE(done);
    EXPECT_EQ(done.error().kind, Kind::unreachable) << done.error().why;
    EXPECT_EQ(n_of("a"), ++n);
  }
}

// The driver does it, where servers have sessions.
TEST_F(MongoStepDown, AWriteThatIsTriedOnceMoreIsDoneOnce) {
  ASSERT_TRUE(direct_->insert("rows", {row("a", 1)}, later()));
  make_set(Sessions::some);
  const auto in = open(set_->uri());
  int n = 1;
  for (const Then& then : {kRefuse, kLose, kDoubt}) {
    step_down_at(1, then, is_write);
    const auto done = in->update("rows", id_is("a"), one_more(), false, later());
    ASSERT_TRUE(done) << told(Sessions::some, then) << " " << done.error().why;
    EXPECT_EQ(*done, Effect::matched) << told(Sessions::some, then);
    EXPECT_EQ(n_of("a"), ++n) << told(Sessions::some, then);
  }
}

TEST_F(MongoStepDown, WithoutAPrimaryNobodyIsReachable) {
  for (const Sessions sessions : {Sessions::none, Sessions::some}) {
    make_set(sessions);
    const auto in = open(set_->uri() + kBriefly);
    const auto find = [&] { return in->find({"rows"}, later(), [](const Found&) {}); };
    ASSERT_TRUE(sooner_or_later([&] { return find().has_value(); }));
    const auto began = std::chrono::steady_clock::now();
    step_down_at(1, kRefuse, is_find, false);
    for (int i = 0; i < 2; ++i) {  // when it steps down, and when there is none
      const auto done = find();
      ASSERT_FALSE(done);
      EXPECT_EQ(done.error().kind, Kind::unreachable) << done.error().why;
    }
    const auto done = in->update("rows", id_is("a"), one_more(), false, later());
    ASSERT_FALSE(done);
    EXPECT_EQ(done.error().kind, Kind::unreachable) << done.error().why;
    EXPECT_LT(std::chrono::steady_clock::now() - began, 20s);  // libmongoc would take 30 s, each time
  }
}

TEST_F(MongoStepDown, WhoAnswersIsBelievedThatThereIsNoPrimary) {
  make_set(Sessions::none);
  set_->silence(0);
  set_->elect(ReplicaSet::kNobody);
  const auto in = open(set_->uri() + kBriefly + "&connectTimeoutMS=500");
  const auto until = std::chrono::steady_clock::now() + 1s;  // when it is known that one is silent
  EXPECT_TRUE(sooner_or_later([&] {
    const auto done = in->find({"rows"}, later(), [](const Found&) {});
    return std::chrono::steady_clock::now() > until && !done && done.error().kind == Kind::unreachable;
  }));
}

TEST_F(MongoStepDown, APrimaryThatIsCutOffIsFollowedByTheNext) {
  ASSERT_TRUE(direct_->insert("rows", {row("a", 1)}, later()));
  make_set(Sessions::none);
  const auto in = open(set_->uri());
  const auto find = [&] { return in->find({"rows"}, later(), [](const Found&) {}); };
  ASSERT_TRUE(find());
  set_->elect(1);
  set_->stop(0);
  const auto done = find();
  EXPECT_TRUE(done) << done.error().why;
}

// ---- leases ----

namespace {

class TestClock final : public Clock {
 public:
  WallTime wall() const override { return kNow; }
  MonotonicTime monotonic() const override { return std::chrono::steady_clock::now(); }
};

// A process.
struct Geod {
  Geod(const std::string& uri, const std::string& database)
      : connection(std::move(*Connection::open({uri, database, 30s}))),
        leases(*connection, health, clock, 30s, kEnough, {[](const Unreadable&) {}, [](const std::string&) {}}) {}

  std::string_view take(int n, std::int64_t max_streams) {
    const std::uint8_t bytes[4]{10, 0, static_cast<std::uint8_t>(n >> 8), static_cast<std::uint8_t>(n)};
    const MonotonicTime start = std::chrono::steady_clock::now();
    const auto answer = leases.take({"u1", sha256("token"), "s1", "c1", Ip::v4(bytes)}, {max_streams, 0, {}},
                                    {kNow, start, Wait::until(start + kEnough)});
    if (!answer) return "nothing";
    return *answer ? billing::name_of(**answer) : name_of(answer->error().code);
  }
  std::size_t held() {
    const auto list = leases.list("u1", later());
    EXPECT_TRUE(list) << list.error();
    return list ? list->size() : 0;
  }

  TestClock clock;
  std::shared_ptr<Health> health = std::make_shared<Health>();
  std::unique_ptr<Connection> connection;
  Leases leases;
};

}  // namespace

TEST_F(MongoStepDown, ALeaseGoesThroughAndCountsOnce) {
  for (const Sessions sessions : {Sessions::none, Sessions::some}) {
    for (const Then& then : {kRefuse, Then{What::refuse, ReplicaSet::kNotWritablePrimary}, kLose, kDoubt}) {
      SCOPED_TRACE(told(sessions, then));
      ASSERT_TRUE(direct_->remove("leases", {}, later()));
      make_set(sessions);
      Geod geod(set_->uri(), database());
      step_down_at(1, then, is_write);
      const std::string_view first = geod.take(1, 2);  // the document is made
      EXPECT_TRUE(first == "taken" || first == "renewed") << first;
      step_down_at(1, then, is_write);
      const std::string_view second = geod.take(2, 2);  // it is changed
      EXPECT_TRUE(second == "taken" || second == "renewed") << second;
      EXPECT_TRUE(has_stepped_down());
      EXPECT_EQ(geod.held(), 2u);
      EXPECT_EQ(geod.take(3, 2), "limit_exceeded");
      EXPECT_EQ(geod.health->breaker.state(geod.clock.monotonic()), Breaker::State::closed);
    }
  }
}

TEST_F(MongoStepDown, ManyAtOnceGetAsManyAsThereAre) {
  constexpr int kClients = 200;
  make_set(Sessions::none);
  Geod one(set_->uri(), database()), two(set_->uri(), database());
  step_down_at(1, kLose, is_write);
  Guarded<std::map<std::string_view, int>> outcomes;
  std::latch start(kClients);
  std::vector<std::thread> threads;
  for (int i = 0; i < kClients; ++i) {
    threads.emplace_back([&, i] {
      start.arrive_and_wait();
      const std::string_view outcome = (i % 2 ? one : two).take(i, 4);
      outcomes.with([&](auto& all) { ++all[outcome == "renewed" ? "taken" : outcome]; });
    });
  }
  for (auto& each : threads) each.join();
  EXPECT_EQ(outcomes.with([](auto& all) { return all; }),
            (std::map<std::string_view, int>{{"taken", 4}, {"limit_exceeded", kClients - 4}}));
  EXPECT_EQ(one.held(), 4u);
  EXPECT_TRUE(has_stepped_down());
}

TEST_F(MongoStepDown, WithoutAPrimaryThereIsNoLease) {
  make_set(Sessions::some);
  Geod geod(set_->uri() + kBriefly, database());
  EXPECT_TRUE(sooner_or_later([&] { return geod.take(1, 4) == "taken"; }));
  step_down_at(1, kRefuse, is_write, false);
  EXPECT_EQ(geod.take(2, 4), "none");
  EXPECT_EQ(geod.take(3, 4), "none");
  set_->elect(2);
  // Whoever is elected is found, if not at once.
  EXPECT_TRUE(sooner_or_later([&] { return geod.leases.list("u1", later()).has_value(); }));
  EXPECT_TRUE(sooner_or_later([&] { return geod.take(2, 4) == "taken"; }));
  EXPECT_EQ(geod.held(), 2u);
}

// ---- rows by key ----

TEST_F(MongoStepDown, RowsComeFromTheNewPrimary) {
  ASSERT_TRUE(direct_->insert("tariffs", {Documents<billing::Tariff>::write({"home", {"flv"}, 4})}, later()));
  make_set(Sessions::none);
  const TestClock clock;
  io::MongoSettings settings;
  settings.uri = set_->uri();
  settings.database = database();
  settings.timeout = kEnough;
  settings.tokens = settings.billing = settings.usage = settings.devices = {1000, 60s, 600s, 50s};
  const auto store = *MongoStore::open(settings, clock);
  step_down_at(1, kRefuse, is_find);
  const MonotonicTime start = clock.monotonic();
  const auto held = store->tariff("home", {kNow, start, Wait::until(start + kEnough)});
  ASSERT_TRUE(held && *held) << store->status(start).last_error;
  ASSERT_TRUE((*held)->row);
  EXPECT_EQ((*held)->row->max_streams, 4);
  EXPECT_TRUE(has_stepped_down());
}

// ---- an import ----

namespace {

Data town(const std::string& name, double weight) {
  Data data;
  data.topology.patterns = {{"any", {}, ""}};
  data.topology.groups = {{"eu", place::Coordinates{50.11, 8.68}, "DE", {}, {}}};
  for (int i = 0; i < 3; ++i) {
    place::Node node;
    node.id = name + "-" + std::to_string(i);
    node.host = node.id + ".example.com";
    node.group = "eu";
    node.weight = weight;
    data.topology.nodes.push_back(node);
  }
  data.tariffs = {{name, {"flv"}, 4}};
  return MongoAdmin::kept(std::move(data));
}

}  // namespace

// Each of its writes in turn is the one in which the primary steps down.
TEST_F(MongoStepDown, AnImportIsWholeOrNotAtAll) {
  const auto admin = std::move(*MongoAdmin::open({uri(), database(), 30s}));
  const Data before = town("old", 50), after = town("new", 70);
  for (const Sessions sessions : {Sessions::none, Sessions::some}) {
    bool was_there = true;
    int finished = 0;
    for (int nth = 1; was_there; ++nth) {
      SCOPED_TRACE(told(sessions, kPass) + ", write " + std::to_string(nth));
      ASSERT_TRUE(admin->import_data(before));
      make_set(sessions);
      {
        const auto importer = std::move(*MongoAdmin::open({set_->uri(), database(), 30s}));
        step_down_at(nth, nth % 2 ? kRefuse : kLose, is_write);
        const auto done = importer->import_data(after);
        was_there = has_stepped_down();
        finished += done.has_value();
        const auto read = admin->read();
        ASSERT_TRUE(read) << read.error().detail;
        EXPECT_TRUE(read->faults.empty());
        const place::Rows& topology = read->data.topology;
        EXPECT_TRUE(topology == after.topology || (!done && topology == before.topology));
        EXPECT_TRUE(!done || read->data == after);
        EXPECT_TRUE(done || was_there) << done.error().detail;
      }
      // Whatever is left over, of its lock too, which it could not give back.
      ASSERT_TRUE(direct_->remove("versions", id_is("import"), later()));
      const auto again = admin->import_data(after);
      ASSERT_TRUE(again) << again.error().detail;
      const auto read = admin->read();
      ASSERT_TRUE(read);
      EXPECT_EQ(read->data, after);
    }
    EXPECT_GT(finished, 1) << "a step-down at the end, or tried once more, hurts nobody";
  }
}
