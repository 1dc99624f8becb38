#include "geo/io/mongo.h"
#include "on_store.h"

namespace geo::io::mongo {
namespace {

// Six collections, nodes the last, and the version document before the first and after the last.
constexpr int kFinds = 7;  // with one of the two

class MongoTopologyRows : public OnStore {
 protected:
  void say(const std::string& version, const std::string& stamp, std::int64_t schema = 1) {
    Document::Ptr document = with("_id", std::string("topology"));
    document->add("version", version).add("stamp", stamp).add("schema", static_cast<Poco::Int64>(schema));
    change(std::string(kVersions), document);
  }
  // Two groups with a node each; all else names them.
  void put_version(const std::string& version) {
    put_row(place::Pattern{"streaming", {"any"}, ""}, version);
    put_row(place::Pattern{"any", {}, ""}, version);
    put_row(place::Partner{"default", {"geo.example.com"}, "eu", 1.0, ""}, version);
    put_row(place::Group{"eu", {}, "DE", {"ru"}, {}}, version);
    put_row(place::Group{"ru", {}, "RU", {"eu"}, {}}, version);
    put_row(place::Place{"RU", "", "", "ru"}, version);
    put_row(place::Network{*Cidr::parse("10.1.0.0/16"), "ru", {}}, version);
    put_row(node("node-eu", "eu"), version);
    put_row(node("node-ru", "ru"), version);
  }
  static place::Node node(const std::string& id, const std::string& group) {
    place::Node node;
    node.id = id;
    node.host = id + ".example.com";
    node.group = group;
    return node;
  }
  void drop(const std::string& collection, const std::string& id) {
    ASSERT_EQ(direct_->remove(collection, with("_id", id), in_a_minute()), 1u) << id;
  }
  MongoTopology read() {
    auto topology = store().topology({}, in_a_minute());
    if (!topology) throw std::runtime_error(topology.error().why);
    return std::move(**topology);
  }
  NoTopology fault() {
    auto topology = store().topology({}, in_a_minute());
    EXPECT_FALSE(topology);
    return topology ? NoTopology{} : topology.error();
  }
};

TEST_F(MongoTopologyRows, IsReadWhole) {
  put_version("v1");
  put_version("v10");  // of which nothing may come
  put_version("v");
  say("v1", "s1");
  const MongoTopology topology = read();
  EXPECT_EQ(topology.stamp, (TopologyStamp{"v1", "s1"}));
  EXPECT_EQ(topology.rows.patterns.size(), 2u);
  EXPECT_EQ(topology.rows.partners.size(), 1u);
  EXPECT_EQ(topology.rows.groups.size(), 2u);
  EXPECT_EQ(topology.rows.places.size(), 1u);
  ASSERT_EQ(topology.rows.networks.size(), 1u);
  EXPECT_EQ(topology.rows.networks[0].cidr.to_string(), "10.1.0.0/16");
  ASSERT_EQ(topology.rows.nodes.size(), 2u);
  EXPECT_EQ(topology.rows.nodes[0].id, "node-eu");
  EXPECT_TRUE(topology.skipped.empty()) << topology.skipped[0];
}

TEST_F(MongoTopologyRows, IsReadOnceUntilItsStampChanges) {
  put_version("v1");
  say("v1", "s1");
  const auto first = store().topology({}, in_a_minute());
  ASSERT_TRUE(first && *first);
  const auto again = store().topology((*first)->stamp, in_a_minute());
  ASSERT_TRUE(again);
  EXPECT_FALSE(*again);
  EXPECT_EQ(way_->finds(), kFinds + 2);

  place::Node drained = node("node-eu", "eu");
  drained.admin = place::Admin::drain;
  change("nodes", Documents<place::Node>::write(drained, "v1"));
  say("v1", "s2");
  const auto changed = store().topology((*first)->stamp, in_a_minute());
  ASSERT_TRUE(changed && *changed);
  EXPECT_EQ((*changed)->stamp.stamp, "s2");
  EXPECT_EQ((*changed)->rows.nodes[0].admin, place::Admin::drain);
}

TEST_F(MongoTopologyRows, ThereIsNoneYet) {
  const NoTopology none = fault();
  EXPECT_FALSE(none.away);
  EXPECT_EQ(none.why, "the store holds no topology yet: geoctl data import");
}

TEST_F(MongoTopologyRows, ALaterSchemaIsNotRead) {
  put_version("v1");
  say("v1", "s1", 2);
  const NoTopology none = fault();
  EXPECT_FALSE(none.away);
  EXPECT_EQ(none.why, "the store has schema 2, this version reads 1");
}

TEST_F(MongoTopologyRows, TheVersionDocumentsFaultsAreTold) {
  say("v/1", "s1");
  EXPECT_TRUE(fault().why.starts_with("versions topology: version: expected")) << fault().why;
  EXPECT_FALSE(fault().away);
  change(std::string(kVersions), with("version", std::string("v1"), with("_id", std::string("topology"))));
  EXPECT_TRUE(fault().why.starts_with("versions topology: schema: missing")) << fault().why;
  change(std::string(kVersions), with("schema", 1, with("version", 5, with("_id", std::string("topology")))));
  EXPECT_TRUE(fault().why.starts_with("versions topology: version: expected")) << fault().why;
}

TEST_F(MongoTopologyRows, ANodeThatCannotBeReadIsSkipped) {
  put_version("v1");
  say("v1", "s1");
  change("nodes", with("host", 5, with("_id", std::string("v1/node-eu"))));
  const MongoTopology topology = read();
  ASSERT_EQ(topology.rows.nodes.size(), 1u);
  EXPECT_EQ(topology.rows.nodes[0].id, "node-ru");
  ASSERT_EQ(topology.skipped.size(), 1u);
  EXPECT_TRUE(topology.skipped[0].starts_with("nodes v1/node-eu: host: expected")) << topology.skipped[0];
  EXPECT_EQ(skipped("nodes"), 1u);
  EXPECT_EQ(log(), topology.skipped);
}

TEST_F(MongoTopologyRows, WhatNamesASkippedGroupGoesOrForgetsIt) {
  put_version("v1");
  place::Network known{*Cidr::parse("10.2.0.0/16"), "ru", {}};
  known.location.country_code = "RU";
  put_row(known, "v1");
  say("v1", "s1");
  change("groups", with("country", std::string("Russia"), with("_id", std::string("v1/ru"))));
  const MongoTopology topology = read();
  ASSERT_EQ(topology.rows.groups.size(), 1u);
  EXPECT_TRUE(topology.rows.groups[0].fallback.empty());
  EXPECT_TRUE(topology.rows.places.empty());
  ASSERT_EQ(topology.rows.networks.size(), 1u);
  EXPECT_EQ(topology.rows.networks[0].group, "");
  EXPECT_EQ(topology.rows.networks[0].location.country_code, "RU");
  ASSERT_EQ(topology.rows.nodes.size(), 1u);
  EXPECT_EQ(topology.rows.nodes[0].id, "node-eu");
  const std::vector<std::string> expected{
      "groups v1/eu: fallback: no group \"ru\"", "places v1/RU//: group: no group \"ru\"",
      "networks v1/10.1.0.0/16: group: no group \"ru\"", "networks v1/10.2.0.0/16: group: no group \"ru\"",
      "nodes v1/node-ru: group: no group \"ru\""};
  ASSERT_EQ(topology.skipped.size(), 1 + expected.size());
  EXPECT_EQ(std::vector(topology.skipped.begin() + 1, topology.skipped.end()), expected);
  EXPECT_TRUE(place::check(topology.rows).empty());
}

TEST_F(MongoTopologyRows, ANodeOfASkippedPartnerServesNobodyElse) {
  put_version("v1");
  place::Node theirs = node("node-theirs", "eu");
  theirs.partners = {"acme"};
  put_row(theirs, "v1");
  place::Node also = node("node-also", "eu");
  also.partners = {"acme", "default"};
  also.patterns = {"any", "vip"};
  put_row(also, "v1");
  say("v1", "s1");
  const MongoTopology topology = read();
  ASSERT_EQ(topology.rows.nodes.size(), 3u);
  EXPECT_EQ(topology.rows.nodes[0].id, "node-also");
  EXPECT_EQ(topology.rows.nodes[0].partners, (std::vector<std::string>{"default"}));
  EXPECT_EQ(topology.rows.nodes[0].patterns, (std::vector<std::string>{"any"}));
  EXPECT_EQ(topology.skipped.size(), 3u);
}

TEST_F(MongoTopologyRows, WithoutANodeThereIsNone) {
  put_version("v1");
  say("v1", "s1");
  drop("nodes", "v1/node-ru");
  change("nodes", with("host", 5, with("_id", std::string("v1/node-eu"))));
  const NoTopology none = fault();
  EXPECT_FALSE(none.away);
  EXPECT_TRUE(none.why.starts_with("version v1 of the topology has no node that can be used: nodes v1/node-eu: host"))
      << none.why;
  say("v2", "s2");
  EXPECT_EQ(fault().why, "version v2 of the topology has no node");
}

TEST_F(MongoTopologyRows, ContradictionsAreFaults) {
  put_version("v1");
  say("v1", "s1");
  put_row(place::Partner{"acme", {"GEO.example.com"}, "eu", 1.0, ""}, "v1");
  Document::Ptr place = Documents<place::Place>::write({"RU", "", "", "eu"}, "v1");
  put_document("places", with("country", std::string("RU"),
                              with("group", std::string("eu"), with("_id", std::string("v1/again")))));
  const NoTopology none = fault();
  EXPECT_FALSE(none.away);
  EXPECT_NE(none.why.find("claimed by partner"), std::string::npos) << none.why;
  EXPECT_NE(none.why.find("RU// is claimed already"), std::string::npos) << none.why;
}

TEST_F(MongoTopologyRows, OneThatIsSwitchedMeanwhileIsReadAnew) {
  put_version("v1");
  put_version("v2");
  say("v1", "s1");
  way_->on_find = [&](int nth) {
    if (nth != kFinds) return;
    say("v2", "s2");
    for (const char* each : {"patterns", "partners", "groups", "places", "networks", "nodes"}) {
      const auto gone = with("_id", with("$gte", std::string("v1/"), with("$lt", std::string("v10"))));
      ASSERT_TRUE(direct_->remove(each, gone, in_a_minute()));
    }
  };
  const MongoTopology topology = read();
  EXPECT_EQ(topology.stamp, (TopologyStamp{"v2", "s2"}));
  EXPECT_EQ(topology.rows.nodes.size(), 2u);
}

TEST_F(MongoTopologyRows, OneThatChangesAllTheTimeIsNotReadForEver) {
  put_version("v1");
  say("v1", "s0");
  int changes = 0;
  way_->on_find = [&](int nth) {
    if (nth % kFinds == 0) say("v1", "s" + std::to_string(++changes));
  };
  EXPECT_TRUE(fault().away);
  EXPECT_EQ(changes, 3);
}

TEST_F(MongoTopologyRows, AStoreThatIsGoneIsAway) {
  settings_.timeout = 1s;
  way_->set(Way::Mode::gone);
  const NoTopology none = fault();
  EXPECT_TRUE(none.away);
  EXPECT_NE(none.why, "");
  EXPECT_EQ(store().status(clock_.monotonic()).last_error, none.why);
  EXPECT_FALSE(store().node_states(in_a_minute()));
}

TEST_F(MongoTopologyRows, ReportsThatCannotBeReadAreSkipped) {
  const WallTime seen = *parse_time("2026-01-01T00:00:00Z");
  put_row(balance::Report{"node-1", seen, false, 12, 0.5});
  put_document("node_states", with("online", true, with("_id", std::string("node-2"))));
  put_document("node_states", with("online", true, with("_id", 5)));
  const auto reports = store().node_states(in_a_minute());
  ASSERT_TRUE(reports) << reports.error();
  ASSERT_EQ(reports->size(), 1u);
  EXPECT_EQ((*reports)[0], (balance::Report{"node-1", seen, false, 12, 0.5}));
  EXPECT_EQ(skipped("node_states"), 2u);
}

TEST_F(MongoTopologyRows, CountsAsACallOfTheStore) {
  put_version("v1");
  say("v1", "s1");
  settings_.timeout = 2s;
  std::vector<std::string> told;
  settings_.told = [&](const Call& call) {
    told.push_back(std::string(call.what) + (call.outcome == "answered" ? " +" : " -"));
  };
  using Sums = Tally::Sums;
  way_->set(Way::Mode::gone);
  for (int i = 0; i < 5; ++i) EXPECT_TRUE(fault().away);
  EXPECT_EQ(store().status(clock_.monotonic()).state, Breaker::State::open);
  EXPECT_EQ(store().status(clock_.monotonic()).calls, (Sums{0, 0, 5, 0}));
  EXPECT_TRUE(store().is_away());
  way_->set(Way::Mode::open);
  // The driver has it from its next heartbeat on.
  std::vector<std::string> expected(5, "the topology -");
  const auto began = std::chrono::steady_clock::now();
  while (!store().topology({}, in_a_minute())) {
    ASSERT_LT(std::chrono::steady_clock::now(), began + 60s);
    EXPECT_EQ(store().status(clock_.monotonic()).state, Breaker::State::open);
    expected.push_back("the topology -");
  }
  EXPECT_EQ(store().status(clock_.monotonic()).state, Breaker::State::closed) << "at once";
  EXPECT_TRUE(store().node_states(in_a_minute()));
  EXPECT_EQ(store().status(clock_.monotonic()).calls, (Sums{2, 0, expected.size(), 0}));
  EXPECT_FALSE(store().is_away());
  expected.insert(expected.end(), {"the topology +", "node_states +"});
  EXPECT_EQ(told, expected);
}

TEST_F(MongoTopologyRows, ThatIsNoneIsAnAnswerOfTheStore) {
  EXPECT_FALSE(fault().away);
  const UpstreamStatus status = store().status(clock_.monotonic());
  EXPECT_EQ(status.calls, (Tally::Sums{1, 0, 0, 0}));
  EXPECT_EQ(status.last_error, "");
}

}  // namespace
}  // namespace geo::io::mongo
