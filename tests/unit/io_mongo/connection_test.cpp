#include "io/mongo/connection.h"

#include <Poco/MongoDB/Array.h>
#include <Poco/MongoDB/JavaScriptCode.h>

#include <algorithm>
#include <atomic>
#include <set>
#include <thread>

#include "mongo.h"
#include "mongo_wire.h"

using namespace geo;
using namespace geo::io::mongo;
using namespace std::chrono_literals;

namespace {

using Kind = Failure::Kind;

MonotonicTime soon() { return std::chrono::steady_clock::now() + 60s; }

template <class T>
Document::Ptr with(const std::string& name, T value, Document::Ptr to = new Document) {
  to->add(name, value);
  return to;
}

class MongoConnection : public test::OnMongo {
 protected:
  void SetUp() override {
    OnMongo::SetUp();
    if (IsSkipped() || HasFatalFailure()) return;
    auto opened = Connection::open({uri(), database(), 30s});
    ASSERT_TRUE(opened) << opened.error();
    mongo_ = std::move(*opened);
  }
  void TearDown() override {
    mongo_.reset();
    OnMongo::TearDown();
  }

  std::vector<Document::Ptr> find(const Query& query) {
    std::vector<Document::Ptr> out;
    const auto done = mongo_->find(query, soon(), [&](Found each) {
      ASSERT_TRUE(each) << each.error().why;
      out.push_back(*each);
    });
    EXPECT_TRUE(done) << done.error().why;
    return out;
  }
  std::string ids(const Query& query) {
    std::string out;
    for (const auto& each : find(query)) out += (out.empty() ? "" : " ") + id_of(*each);
    return out;
  }
  void insert(int count) {
    std::vector<Document::Ptr> all;
    for (Poco::Int32 i = 0; i < count; ++i) all.push_back(with("n", i, with("_id", "id-" + std::to_string(i))));
    const auto done = mongo_->insert("rows", all, soon());
    ASSERT_TRUE(done) << done.error().why;
  }

  std::unique_ptr<Connection> mongo_;
};

}  // namespace

TEST_F(MongoConnection, FindsWhatWasInserted) {
  insert(3);
  const auto all = find({.collection = "rows", .sort = with("_id", 1)});
  ASSERT_EQ(all.size(), 3u);
  EXPECT_EQ(all[2]->get<std::string>("_id"), "id-2");
  EXPECT_EQ(all[2]->get<Poco::Int32>("n"), 2);
  EXPECT_TRUE(find({.collection = "nothing"}).empty());
}

TEST_F(MongoConnection, FiltersSortsLimits) {
  insert(10);
  const auto above = with("n", with("$gt", 5));
  EXPECT_EQ(ids({.collection = "rows", .filter = above, .sort = with("n", -1), .limit = 2}), "id-9 id-8");
  Document::Ptr range = new Document;
  range->add("$gte", std::string("id-3")).add("$lt", std::string("id-5"));
  EXPECT_EQ(ids({.collection = "rows", .filter = with("_id", range), .sort = with("_id", 1)}), "id-3 id-4");
}

TEST_F(MongoConnection, FindsManyByKeyAtOnce) {
  insert(10);
  Poco::MongoDB::Array::Ptr wanted = new Poco::MongoDB::Array;
  wanted->add("0", std::string("id-7")).add("1", std::string("none")).add("2", std::string("id-2"));
  EXPECT_EQ(ids({.collection = "rows", .filter = with("_id", with("$in", wanted)), .sort = with("_id", 1)}),
            "id-2 id-7");
}

TEST_F(MongoConnection, OnlyFieldsThatWereAskedForCome) {
  ASSERT_TRUE(mongo_->insert(
      "rows", {with("big", std::string(5 << 20, 'x'), with("n", 1, with("_id", std::string("a"))))}, soon()));
  const auto all = find({.collection = "rows", .fields = {"n", "none"}});
  ASSERT_EQ(all.size(), 1u);
  EXPECT_EQ(all[0]->size(), 2u);
  EXPECT_EQ(id_of(*all[0]), "a");
}

TEST_F(MongoConnection, StreamsInBatches) {
  insert(2500);
  std::set<std::string> seen;
  for (const auto& each : find({.collection = "rows", .batch = 100})) seen.insert(id_of(*each));
  EXPECT_EQ(seen.size(), 2500u);
}

TEST_F(MongoConnection, AnInsertStopsAtADuplicate) {
  insert(1);
  const auto done = mongo_->insert(
      "rows", {with("_id", std::string("a")), with("_id", std::string("id-0")), with("_id", std::string("b"))}, soon());
  ASSERT_FALSE(done);
  EXPECT_EQ(done.error().kind, Kind::duplicate) << done.error().why;
  EXPECT_EQ(ids({.collection = "rows", .sort = with("_id", 1)}), "a id-0");
}

TEST_F(MongoConnection, ReplacesOrAdds) {
  insert(2);
  std::vector<Replacement> all;
  for (Poco::Int32 i = 1; i < 1500; ++i) {
    const auto key = "id-" + std::to_string(i);
    all.push_back({with("_id", key), with("m", i, with("_id", key))});
  }
  const auto done = mongo_->replace("rows", all, soon());
  ASSERT_TRUE(done) << done.error().why;
  EXPECT_EQ(find({.collection = "rows"}).size(), 1500u);
  const auto one = find({.collection = "rows", .filter = with("_id", std::string("id-1"))});
  EXPECT_TRUE(one.at(0)->get("n").isNull());
  EXPECT_EQ(one.at(0)->get<Poco::Int32>("m"), 1);
}

TEST_F(MongoConnection, RemovesWhatMatches) {
  insert(10);
  const auto removed = mongo_->remove("rows", with("n", with("$lt", 4)), soon());
  ASSERT_TRUE(removed) << removed.error().why;
  EXPECT_EQ(*removed, 4u);
  EXPECT_EQ(*mongo_->remove("rows", with("n", with("$lt", 4)), soon()), 0u);
  EXPECT_EQ(find({.collection = "rows"}).size(), 6u);
}

TEST_F(MongoConnection, AnUpdateTellsWhatItDid) {
  const auto set = with("$set", with("n", 7));
  const auto key = with("_id", std::string("id-0"));
  EXPECT_EQ(*mongo_->update("rows", key, set, false, soon()), Effect::none);
  EXPECT_EQ(*mongo_->update("rows", key, set, true, soon()), Effect::upserted);
  EXPECT_EQ(*mongo_->update("rows", key, set, false, soon()), Effect::matched);
  // The key is there, but the condition does not hold: the upsert meets its own key.
  EXPECT_EQ(*mongo_->update("rows", with("n", 1, with("_id", std::string("id-0"))), set, true, soon()),
            Effect::duplicate);
}

TEST_F(MongoConnection, OneOfManyConditionalUpdatesWins) {
  insert(1);
  constexpr int kThreads = 8;
  constexpr int kRounds = 50;
  std::atomic<int> won{0};
  std::atomic<int> failed{0};
  std::vector<std::thread> threads;
  for (int i = 0; i < kThreads; ++i) {
    threads.emplace_back([&] {
      for (Poco::Int32 rev = 0; rev < kRounds;) {
        const auto which = with("n", rev, with("_id", std::string("id-0")));
        const auto done = mongo_->update("rows", which, with("$inc", with("n", 1)), false, soon());
        if (!done) {
          ++failed;
          return;
        }
        if (*done == Effect::matched) ++won;
        ++rev;
      }
    });
  }
  for (auto& each : threads) each.join();
  EXPECT_EQ(failed, 0);
  const auto row = find({.collection = "rows"});
  EXPECT_EQ(row.at(0)->getInteger("n"), won);
  EXPECT_EQ(mongo_->busy(), 0u);
  EXPECT_GE(won, kRounds);
}

TEST_F(MongoConnection, AnIndexThatIsThereStays) {
  const auto keys = with("ends", 1);
  for (int i = 0; i < 2; ++i) {
    const auto made = mongo_->create_index("rows", "ends", keys, 3600s, soon());
    EXPECT_TRUE(made) << made.error().why;
  }
  EXPECT_EQ(indexes("rows"), (std::map<std::string, std::int64_t>{{"_id_", -1}, {"ends", 3600}}));
}

TEST_F(MongoConnection, TypesThatItCannotCarryAreNamed) {
  put("rows", test::document(test::text("_id", "u1") + test::element(0x13, "max_streams", std::string(16, '\0')) +
                             test::element(0x11, "at", std::string(8, '\1'))));
  const auto all = find({.collection = "rows"});
  ASSERT_EQ(all.size(), 1u);
  EXPECT_EQ(all[0]->get<Poco::MongoDB::JavaScriptCode::Ptr>("max_streams")->getCode(), "decimal128");
}
