// Import, export, compare and changes by hand, on a real server.
#include <gtest/gtest.h>

#include <stdexcept>
#include <utility>

#include "geo/base/text.h"
#include "geo/io/mongo_admin.h"
#include "io/mongo/connection.h"
#include "io/mongo/version.h"
#include "mongo.h"
#include "mongo_set.h"
#include "samples.h"

namespace geo::io::mongo {
namespace {

using namespace std::chrono_literals;

MonotonicTime soon() { return std::chrono::steady_clock::now() + 60s; }

place::Node node(std::string id, double weight = 100) {
  place::Node node;
  node.id = std::move(id);
  node.host = node.id + ".example.com";
  node.group = "eu";
  node.weight = weight;
  return node;
}

// A row of each kind, and a thousand and more of some: more than one step writes.
Data town(std::size_t cameras = 1500) {
  Data data;
  data.topology.patterns = {{"any", {}, ""}, {"streaming", {"any"}, ""}};
  data.topology.partners = {{"default", {"geo.example.com"}, "eu", 1.0, ""}};
  data.topology.groups = {{"eu", place::Coordinates{50.11, 8.68}, "DE", {}, {{"RU", "US"}}}};
  data.topology.places = {{"RU", "MOW", "Москва", "eu"}};
  data.topology.networks = {{*Cidr::parse("10.1.0.0/16"), "eu", {}}};
  data.topology.nodes = {node("node-1"), node("node-2", 50)};
  data.tokens = {full<auth::Token>()};
  data.grants = {full<auth::Grant>()};
  data.users = {{"u1", "home", at("2030-01-01T00:00:00Z"), false}};
  data.tariffs = {{"home", {"flv"}, 4}};
  data.usage = {full<billing::Usage>()};
  data.servers = {{"100-abcdef", "msk-1", true, "", "user", "u1"}};
  for (std::size_t i = 0; i < cameras; ++i) data.cameras.push_back({"100-abcdef", std::to_string(i), true, {"flv"}});
  return MongoAdmin::kept(std::move(data));
}

// All of it another: every kind of row added, removed, changed.
Data other_town() {
  Data data = town(700);
  data.topology.nodes = {node("node-2", 70), node("node-3")};
  data.users[0].blocked = true;
  data.users.push_back({"u2", "home", {}, false});
  data.grants[0].rights = {"view"};
  data.tokens.clear();
  for (devices::Camera& camera : data.cameras) camera.online = false;
  data.cameras.push_back({"100-abcdef", "new", true, {"hls"}});
  return MongoAdmin::kept(std::move(data));
}

class MongoTransfer : public test::OnMongo {
 protected:
  void SetUp() override {
    OnMongo::SetUp();
    if (IsSkipped() || HasFatalFailure()) return;
    admin_ = open();
    auto opened = Connection::open({uri(), database(), 30s});
    ASSERT_TRUE(opened) << opened.error();
    raw_ = std::move(*opened);
  }
  void TearDown() override {
    admin_.reset();
    raw_.reset();
    OnMongo::TearDown();
  }

  std::unique_ptr<MongoAdmin> open() const {
    auto opened = MongoAdmin::open({uri(), database(), 30s, 60s});
    if (!opened) throw std::runtime_error(opened.error());
    return std::move(*opened);
  }
  MongoAdmin::Imported import(const Data& data) {
    const auto done = admin_->import_data(data);
    EXPECT_TRUE(done) << done.error().detail;
    return done.value_or(MongoAdmin::Imported{});
  }
  Data content() {
    const auto read = admin_->read();
    EXPECT_TRUE(read) << read.error().detail;
    if (!read) return {};
    for (const Fault& fault : read->faults) ADD_FAILURE() << to_string(fault);
    return read->data;
  }
  std::optional<TopologyStamp> stamp() {
    const auto version = read_version(*raw_, soon());
    EXPECT_TRUE(version) << version.error().why;
    return version.value_or(std::nullopt);
  }
  std::size_t count(const std::string& collection) {
    std::size_t documents = 0;
    EXPECT_TRUE(raw_->find({collection, {}, {"_id"}}, soon(), [&](const Found&) { ++documents; }));
    return documents;
  }
  void put(const std::string& collection, const std::vector<Element>& fields) {
    const Document::Ptr document = new Document(made(fields));
    ASSERT_TRUE(raw_->insert(collection, {document}, soon()));
  }
  void put_lock(std::chrono::seconds from_now) {
    const auto until = std::chrono::system_clock::now() + from_now;
    put("versions",
        {text("_id", "import"), text("owner", "host-9/4711/abc"),
         element("until",
                 Poco::Timestamp(
                     std::chrono::duration_cast<std::chrono::microseconds>(until.time_since_epoch()).count()))});
  }

  std::unique_ptr<MongoAdmin> admin_;
  std::unique_ptr<Connection> raw_;
};

}  // namespace

TEST_F(MongoTransfer, MakesTheIndexes) {
  using Indexes = std::map<std::string, std::int64_t>;
  import(town(1));
  EXPECT_EQ(indexes("grants"), (Indexes{{"_id_", -1}, {"owner_type_owner_id_object_type_object_id", -1}}));
  EXPECT_EQ(indexes("leases"), (Indexes{{"_id_", -1}, {"expires_at", 3600}}));
}

TEST_F(MongoTransfer, NeedsNoIndexThatOnlyTidiesUp) {
  int refused = 0, made = 0;
  test::ReplicaSet set(
      uri(), 1,
      [&](const std::string& command) {
        using Then = test::ReplicaSet::Then;
        return command == "createIndexes" && ++made == refused ? Then{Then::What::refuse, 67} : Then{};
      },
      test::ReplicaSet::Sessions::none);
  const auto admin = std::move(*MongoAdmin::open({set.uri(), database(), 30s}));
  refused = 1;  // of grants, by which they are found
  EXPECT_FALSE(admin->import_data(town(1)));
  EXPECT_EQ(made, 1);
  refused = 3;
  const auto done = admin->import_data(town(1));
  EXPECT_TRUE(done) << done.error().detail;
  EXPECT_EQ(made, 3);
  EXPECT_EQ(content(), town(1));
}

TEST_F(MongoTransfer, ReadsBackWhatItImported) {
  const auto done = import(town());
  EXPECT_TRUE(done.topology);
  EXPECT_EQ(done.removed, 0U);
  EXPECT_TRUE(content() == town());
  EXPECT_EQ(count("nodes"), 2U);
  EXPECT_EQ(count("versions"), 1U) << "the lock is given back";
}

TEST_F(MongoTransfer, ChangesNothingWhereNothingDiffers) {
  import(town());
  const auto before = stamp();
  std::uint64_t steps = 0;
  const auto again = admin_->import_data(town(), [&](std::uint64_t, std::uint64_t) { ++steps; });
  ASSERT_TRUE(again) << again.error().detail;
  EXPECT_FALSE(again->topology);
  EXPECT_EQ(again->written + again->removed + steps, 0U);
  EXPECT_EQ(stamp(), before);
}

TEST_F(MongoTransfer, MakesTheStoreEqual) {
  import(town());
  import(other_town());
  EXPECT_TRUE(content() == other_town());
  EXPECT_EQ(count("nodes"), 2U) << "no old version stays";
}

TEST_F(MongoTransfer, LeavesTheTopologyWhereOnlyAccountsDiffer) {
  import(town());
  const auto before = stamp();
  Data data = town();
  data.users[0].blocked = true;
  const auto done = import(data);
  EXPECT_EQ(done.written, 1U);
  EXPECT_EQ(stamp(), before);
  EXPECT_TRUE(content() == data);
}

TEST_F(MongoTransfer, LeavesReportsAndLeasesAlone) {
  put("node_states", {text("_id", "node-9"), date("seen_at", "2026-01-01T00:00:00Z")});
  put("leases", {text("_id", "u1"), int64("rev", 3)});
  import(town());
  import(other_town());
  EXPECT_EQ(count("node_states"), 1U);
  EXPECT_EQ(count("leases"), 1U);
}

// As with a kill: nothing after this step is done.
TEST_F(MongoTransfer, IsNeverHalfWhereverItEnds) {
  struct Ended {};
  for (std::uint64_t end = 1;; ++end) {
    import(town());
    std::uint64_t steps = 0;
    bool ended = false;
    try {
      const auto done = admin_->import_data(other_town(), [&](std::uint64_t, std::uint64_t) {
        if (++steps == end) throw Ended();
      });
      ASSERT_TRUE(done) << done.error().detail;
    } catch (const Ended&) {
      ended = true;
      const place::Rows topology = content().topology;
      EXPECT_TRUE(topology == town().topology || topology == other_town().topology) << "ended at step " << end;
    }
    import(other_town());
    EXPECT_TRUE(content() == other_town()) << "ended at step " << end;
    EXPECT_EQ(count("nodes"), 2U) << "ended at step " << end;
    EXPECT_EQ(count("versions"), 1U);
    if (!ended) {
      EXPECT_GT(end, 8U);
      break;
    }
  }
}

TEST_F(MongoTransfer, RemovesWhatAnEndedImportLeftBehind) {
  import(town());
  const auto before = stamp();
  put("nodes", {text("_id", "2027-01-15T08:00:00Z-00000000/node-1"), text("id", "node-1")});
  import(town());
  EXPECT_EQ(count("nodes"), 2U);
  EXPECT_EQ(stamp()->version, before->version);
  EXPECT_NE(stamp()->stamp, before->stamp) << "whoever was about to switch to it must notice";
}

TEST_F(MongoTransfer, RefusesASecondOneAtOnce) {
  import(town());
  const auto second = open();
  bool tried = false;
  const auto first = admin_->import_data(other_town(), [&](std::uint64_t, std::uint64_t) {
    if (std::exchange(tried, true)) return;
    const auto refused = second->import_data(town());
    ASSERT_FALSE(refused);
    EXPECT_EQ(refused.error().code, ErrorCode::upstream_unavailable);
    EXPECT_NE(refused.error().detail.find("another import is under way, host "), std::string::npos)
        << refused.error().detail;
  });
  ASSERT_TRUE(first) << first.error().detail;
  EXPECT_TRUE(tried);
  EXPECT_TRUE(content() == other_town());
}

TEST_F(MongoTransfer, TellsWhoHasTheLock) {
  put_lock(3600s);
  const auto refused = admin_->import_data(town());
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, ErrorCode::upstream_unavailable);
  EXPECT_NE(refused.error().detail.find("host host-9, process 4711, until 2"), std::string::npos)
      << refused.error().detail;
  EXPECT_EQ(count("cameras"), 0U);
}

TEST_F(MongoTransfer, TakesTheLockOfADeadOne) {
  put_lock(-1s);
  import(town());
  EXPECT_TRUE(content() == town());
}

TEST_F(MongoTransfer, StopsWhenTheLockIsAnothersNow) {
  import(town());
  bool taken = false;
  const auto done = admin_->import_data(other_town(), [&](std::uint64_t, std::uint64_t) {
    if (std::exchange(taken, true)) return;
    ASSERT_TRUE(raw_->remove("versions", equals("_id", "import"), soon()));
    put_lock(3600s);
  });
  ASSERT_FALSE(done);
  EXPECT_EQ(done.error().code, ErrorCode::upstream_unavailable);
  EXPECT_NE(done.error().detail.find("another import has taken over"), std::string::npos) << done.error().detail;
  EXPECT_TRUE(content().topology == town().topology) << "not switched";
}

TEST_F(MongoTransfer, MakesGoodWhatCannotBeRead) {
  import(town());
  put("users", {text("_id", "u7"), text("tariff", "home"), int64("blocked", 1)});
  put("cameras", {int64("_id", 7)});
  put("nodes", {text("_id", stamp()->version + "/node-9"), text("group", "eu")});
  const auto read = admin_->read();
  ASSERT_TRUE(read) << read.error().detail;
  std::string faults;
  for (const Fault& fault : read->faults) faults += to_string(fault) + "\n";
  EXPECT_NE(faults.find("users u7: blocked: "), std::string::npos) << faults;
  EXPECT_NE(faults.find("cameras 7: _id: "), std::string::npos) << faults;
  EXPECT_NE(faults.find("/node-9: host: missing"), std::string::npos) << faults;
  EXPECT_EQ(read->faults.size(), 3U) << faults;
  import(town());
  EXPECT_TRUE(content() == town());
}

TEST_F(MongoTransfer, RefusesANewerSchema) {
  put("versions", {text("_id", "topology"), text("version", "v1"), text("stamp", "s1"), int64("schema", 2)});
  for (const auto& error : {admin_->import_data(town()).error(), admin_->read().error(),
                            admin_->set_admin("node-1", place::Admin::drain).error()}) {
    EXPECT_EQ(error.code, ErrorCode::invalid_config);
    EXPECT_NE(error.detail.find("the store has schema 2"), std::string::npos) << error.detail;
  }
  EXPECT_EQ(count("cameras"), 0U);
  EXPECT_EQ(count("versions"), 1U);
}

TEST_F(MongoTransfer, ReplacesAVersionDocumentThatSaysNothing) {
  put("versions", {text("_id", "topology"), int64("version", 7)});
  EXPECT_EQ(admin_->read().error().code, ErrorCode::invalid_config);
  import(town());
  EXPECT_TRUE(content() == town());
}

TEST_F(MongoTransfer, KeepsAllRightsToOneObjectAsOneGrant) {
  Data data = town(1);
  data.grants = {{{"user", "u1"}, "camera", "100-abcdef", "0", {"view"}},
                 {{"user", "u1"}, "camera", "100-abcdef", "0", {"control", "view"}}};
  import(data);
  EXPECT_EQ(content().grants,
            (std::vector<auth::Grant>{{{"user", "u1"}, "camera", "100-abcdef", "0", {"control", "view"}}}));
  EXPECT_EQ(import(data).written, 0U);
}

TEST_F(MongoTransfer, KeepsTimesToTheMillisecond) {
  Data data = town(1);
  data.users[0].paid_until = at("2030-01-01T00:00:00.123456Z");
  import(data);
  EXPECT_EQ(content().users[0].paid_until, at("2030-01-01T00:00:00.123Z"));
  EXPECT_EQ(import(data).written, 0U);
}

TEST_F(MongoTransfer, SetsAdminInTheVersionThatHolds) {
  import(town());
  const auto before = stamp();
  ASSERT_TRUE(admin_->set_admin("node-1", place::Admin::drain));
  const auto nodes = admin_->nodes();
  ASSERT_TRUE(nodes);
  ASSERT_EQ(nodes->nodes.size(), 2U);
  EXPECT_EQ(nodes->nodes[0].admin, place::Admin::drain);
  EXPECT_EQ(nodes->nodes[1].admin, place::Admin::online);
  EXPECT_EQ(stamp()->version, before->version);
  EXPECT_NE(stamp()->stamp, before->stamp);
  const auto unknown = admin_->set_admin("node-9", place::Admin::drain);
  ASSERT_FALSE(unknown);
  EXPECT_EQ(unknown.error().code, ErrorCode::not_found);
}

// Somebody switches the version while a node is drained: the drain is in one of the two, or in both, and never lost
// in between.
TEST_F(MongoTransfer, SetsAdminBeforeOrAfterAnImport) {
  import(town());
  const auto done = admin_->import_data(other_town(), [&](std::uint64_t rows, std::uint64_t of) {
    if (rows < of) {
      ASSERT_TRUE(admin_->set_admin("node-2", place::Admin::drain));
    }
  });
  ASSERT_TRUE(done) << done.error().detail;
  ASSERT_TRUE(admin_->set_admin("node-2", place::Admin::offline));
  EXPECT_EQ(admin_->nodes()->nodes[0].admin, place::Admin::offline);
}

TEST_F(MongoTransfer, RevokesATokenOnce) {
  import(town());
  const Digest sha256 = full<auth::Token>().sha256;
  EXPECT_TRUE(admin_->revoke(sha256));
  const auto again = admin_->revoke(sha256);
  ASSERT_FALSE(again);
  EXPECT_EQ(again.error().code, ErrorCode::token_unknown);
  EXPECT_TRUE(content().tokens.empty());
}

TEST(MongoAdmin, TellsNoPassword) {
  const auto admin = MongoAdmin::open({"mongodb://geo:s3cret@127.0.0.1:1/?authSource=admin", "geo", 300ms});
  ASSERT_TRUE(admin) << admin.error();
  for (const std::string& text : {(*admin)->where(), (*admin)->read().error().detail,
                                  (*admin)->import_data(town(1)).error().detail, (*admin)->nodes().error().detail}) {
    EXPECT_EQ(text.find("s3cret"), std::string::npos) << text;
    EXPECT_NE(text.find("127.0.0.1:1/geo"), std::string::npos) << text;
  }
  EXPECT_EQ((*admin)->read().error().code, ErrorCode::upstream_unavailable);
}

}  // namespace geo::io::mongo
