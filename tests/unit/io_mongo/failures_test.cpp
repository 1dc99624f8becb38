// What a server that is away, silent or hostile comes to.
#include <Poco/MongoDB/JavaScriptCode.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include "io/mongo/connection.h"
#include "loopback.h"
#include "mongo_wire.h"

using namespace geo;
using namespace geo::io::mongo;
using namespace std::chrono_literals;
using std::chrono::steady_clock;
using test::document;
using test::element;
using test::found;
using test::int32_bytes;
using test::text;
using test::WireServer;

namespace {

using Kind = Failure::Kind;

std::unique_ptr<Connection> open(const std::string& uri, std::chrono::milliseconds timeout = 30s) {
  return std::move(*Connection::open({uri, "geo", timeout}));
}

struct Got {
  std::vector<Document::Ptr> documents;
  std::vector<Unreadable> unreadable;
};

Done<Got> find(Connection& in, MonotonicTime deadline = steady_clock::now() + 60s) {
  Got got;
  const auto done = in.find({"rows"}, deadline, [&](Found each) {
    if (each)
      got.documents.push_back(*each);
    else
      got.unreadable.push_back(each.error());
  });
  if (!done) return tl::unexpected(done.error());
  return got;
}

std::string server_error(int code, const std::string& message) {
  return document(element(0x01, "ok", std::string(8, '\0')) + element(0x10, "code", int32_bytes(code)) +
                  text("errmsg", message));
}

std::string closed_port() {
  const auto loopback = test::listen_on_loopback(1);
  ::close(loopback.socket);
  return "mongodb://127.0.0.1:" + std::to_string(loopback.port());
}

}  // namespace

TEST(Failures, AClosedPortIsUnreachable) {
  const auto began = steady_clock::now();
  const auto got = find(*open(closed_port(), 300ms));
  ASSERT_FALSE(got);
  EXPECT_EQ(got.error().kind, Kind::unreachable) << got.error().why;
  EXPECT_LT(steady_clock::now() - began, 20s);  // libmongoc would take 30 s
}

TEST(Failures, WhoComesAfterARefusalDoesNotWait) {
  const auto in = open(closed_port(), 1s);
  std::chrono::nanoseconds took = 1s;
  // The first waits in case there is a server in time; later ones too, unless they come soon after a refusal.
  for (int i = 0; i < 20 && took >= 500ms; ++i) {
    const auto began = steady_clock::now();
    EXPECT_EQ(find(*in).error().kind, Kind::unreachable);
    took = steady_clock::now() - began;
  }
  EXPECT_LT(took, 500ms);
}

TEST(Failures, AServerThatNeverGreetsIsATimeout) {
  const WireServer server([] { return ""; }, WireServer::Greeting::none);
  const auto began = steady_clock::now();
  const auto got = find(*open(server.uri(), 300ms));
  ASSERT_FALSE(got);
  EXPECT_EQ(got.error().kind, Kind::timeout) << got.error().why;
  EXPECT_LT(steady_clock::now() - began, 20s);
}

TEST(Failures, AnAnswerThatNeverComesIsATimeoutForReadsAndWrites) {
  const WireServer server([] { return std::nullopt; });
  const auto in = open(server.uri(), 300ms);
  const auto deadline = steady_clock::now() + 60s;
  Document::Ptr some = new Document;
  some->add("a", 1);
  EXPECT_EQ(find(*in).error().kind, Kind::timeout);
  EXPECT_EQ(in->insert("rows", {some}, deadline).error().kind, Kind::timeout);
  EXPECT_EQ(in->replace("rows", {{some, some}}, deadline).error().kind, Kind::timeout);
  EXPECT_EQ(in->remove("rows", some, deadline).error().kind, Kind::timeout);
  EXPECT_EQ(in->create_index("rows", "by_a", some, {}, deadline).error().kind, Kind::timeout);
}

TEST(Failures, AConnectionThatIsClosedIsUnreachable) {
  const WireServer server([] { return ""; });
  const auto got = find(*open(server.uri()));
  ASSERT_FALSE(got);
  EXPECT_EQ(got.error().kind, Kind::unreachable) << got.error().why;
}

TEST(Failures, AReadIsTriedOnceMoreOnANewConnection) {
  std::atomic<int> asked{0};
  const WireServer server([&] { return ++asked == 1 ? "" : found({document(text("_id", "u1"))}); });
  const auto got = find(*open(server.uri()));
  ASSERT_TRUE(got) << got.error().why;
  EXPECT_EQ(got->documents.size(), 1u);
  EXPECT_EQ(asked, 2);
}

TEST(Failures, NothingIsAskedPastTheDeadline) {
  std::atomic<int> asked{0};
  const WireServer server([&] { return ++asked, found({}); });
  const auto in = open(server.uri());
  EXPECT_EQ(find(*in, steady_clock::now() - 1ms).error().kind, Kind::timeout);
  EXPECT_EQ(in->remove("rows", {}, steady_clock::now()).error().kind, Kind::timeout);
  EXPECT_EQ(asked, 0);
}

TEST(Failures, AllClientsInUseIsATimeout) {
  const WireServer server([] { return found({document(text("_id", "u1"))}); });
  const auto opened = Connection::open({server.uri(), "geo", 200ms, 1});
  Connection& in = **opened;
  std::optional<Failure> inner;
  const auto outer = in.find({"rows"}, steady_clock::now() + 60s, [&](const Found&) {
    EXPECT_EQ(in.busy(), 1u);
    inner = find(in).error();
  });
  EXPECT_TRUE(outer);
  ASSERT_TRUE(inner);
  EXPECT_EQ(inner->kind, Kind::timeout);
  EXPECT_EQ(inner->why, "all 1 connections are in use");
  EXPECT_EQ(in.busy(), 0u);
}

TEST(Failures, WhatTheServerRefusesIsRejectedOrOfItsKind) {
  std::string answer;
  const WireServer server([&] { return answer; });
  const auto in = open(server.uri());
  const auto kind = [&](int code) {
    answer = server_error(code, "no");
    return find(*in).error().kind;
  };
  EXPECT_EQ(kind(13), Kind::rejected);
  EXPECT_EQ(kind(59), Kind::rejected);
  EXPECT_EQ(kind(50), Kind::timeout);
  EXPECT_EQ(kind(262), Kind::timeout);
  EXPECT_EQ(kind(11000), Kind::duplicate);
}

TEST(Failures, AnIndexOfAnotherNameWillDo) {
  int code = 85;
  const WireServer server([&] { return server_error(code, "Index already exists with a different name"); });
  const auto in = open(server.uri());
  Document::Ptr keys = new Document;
  keys->add("owner_id", 1);
  EXPECT_TRUE(in->create_index("grants", "ours", keys, {}, std::chrono::steady_clock::now() + 30s));
  code = 86;  // that name, but of other keys
  EXPECT_FALSE(in->create_index("grants", "ours", keys, {}, std::chrono::steady_clock::now() + 30s));
}

TEST(Failures, TextsHoldNeitherTheCommandNorControlCharacters) {
  const WireServer server([] {
    return server_error(
        13, "not authorized on geo to execute\x1b[31m command { find: \"tokens\", filter: { _id: \"5ec\" } }");
  });
  EXPECT_EQ(find(*open(server.uri())).error().why, "not authorized on geo to execute?[31m command (code 13)");
}

TEST(Failures, ALoginThatIsRefusedIsRejectedAndShowsNoSecret) {
  const WireServer server([] { return server_error(18, "no user geod-ru with password hunter2 in admin"); });
  const auto got = find(*open("mongodb://geod-ru:hunter2@" + server.uri().substr(10)));
  ASSERT_FALSE(got);
  EXPECT_EQ(got.error().kind, Kind::locked_out);
  EXPECT_EQ(got.error().why.find("hunter2"), got.error().why.npos) << got.error().why;
  EXPECT_EQ(got.error().why, "authentication failed: in words that hold the password");
}

// What is left out of a text shows what was there.
TEST(Failures, ATextHasNoHolesOfTheSizeOfASecret) {
  const WireServer server([] { return server_error(18, "Authentication failed.\n"); });
  EXPECT_EQ(find(*open("mongodb://geo:e@" + server.uri().substr(10))).error().why,
            "authentication failed: Authentication failed.");
  EXPECT_EQ(find(*open("mongodb://geo:expired@" + closed_port().substr(10), 300ms)).error().why,
            "not reachable: connection refused, or no route to it");
}

TEST(Failures, ALoginThatIsNeverAnsweredIsATimeout) {
  const WireServer server([] { return std::nullopt; });
  const auto got = find(*open("mongodb://geod-ru:hunter2@" + server.uri().substr(10), 300ms));
  ASSERT_FALSE(got);
  EXPECT_EQ(got.error().kind, Kind::timeout) << got.error().why;
}

TEST(Failures, HostileDocumentsComeOneByOne) {
  std::string deep = document("");
  for (int i = 0; i < 200; ++i) deep = document(element(0x03, "x", deep));
  const WireServer server([&] {
    return found({document(text("_id", "good")), document(text("_id", "deep") + element(0x03, "x", deep)),
                  document(text("_id", "bad\xff")),
                  document(text("_id", "name") + element(0x10, "\xff", int32_bytes(1))),
                  document(text("_id", "type") + element(0x42, "x", "")),
                  document(text("_id", "decimal") + element(0x13, "max_streams", std::string(16, '\1'))),
                  document(text("_id", "huge") + text("x", std::string(15 << 20, 'x')))});
  });
  const auto got = find(*open(server.uri()));
  ASSERT_TRUE(got) << got.error().why;
  std::string read;
  for (const auto& each : got->documents) read += id_of(*each) + " ";
  EXPECT_EQ(read, "good deep ? decimal ");
  std::string unread;
  for (const auto& each : got->unreadable) unread += each.collection + "/" + each.id + " ";
  EXPECT_EQ(unread, "rows/name rows/type rows/huge ");
}

// Whom libmongoc does not find in it would be absent.
TEST(Failures, ABatchThatEndsAmidItsDocumentsIsNoAnswer) {
  const std::string good = document(text("_id", "u1"));
  const auto claiming = [&](std::int32_t size) { return int32_bytes(size) + good.substr(4); };
  std::string answer;
  const WireServer server([&] { return answer; });
  const auto in = open(server.uri(), 500ms);
  const auto length = static_cast<std::int32_t>(good.size());
  for (const std::int32_t size : {-1, 0, 4, 5, length - 1, length + 1, length + 6, 0x7fffffff}) {
    for (const auto& documents : {std::vector{claiming(size)}, {claiming(size), good}, {good, claiming(size)}}) {
      answer = found(documents);
      const auto got = find(*in);
      ASSERT_FALSE(got) << size;
      EXPECT_EQ(got.error().kind, Kind::unreadable) << size << " " << got.error().why;
    }
  }
  answer = found({good, good});
  EXPECT_EQ(find(*in)->documents.size(), 2u);
  answer = found({});
  EXPECT_TRUE(find(*in)->documents.empty());
}

TEST(Failures, RepliesThatAreNoneAreNoAnswer) {
  std::string answer;
  const WireServer server([&] { return answer; });
  const auto in = open(server.uri(), 500ms);
  const std::string cursor = document(element(0x04, "firstBatch", "") + element(0x12, "id", std::string(8, '\0')));
  for (const std::string& bad :
       {document(""), document(text("cursor", "no")), document(element(0x03, "cursor", cursor)),
        document(element(0x03, "cursor", document("")) + element(0x01, "ok", "\1"))}) {
    answer = bad;
    EXPECT_FALSE(find(*in)) << testing::PrintToString(bad);
  }
}

TEST(Failures, AReplyThatClaimsAnImpossibleSizeIsNoAnswer) {
  WireServer server([] { return found({document(text("_id", "u1"))}); });
  const auto in = open(server.uri(), 500ms);
  for (const std::int32_t size : {-1, 1, 15, 17, 1000, 0x7fffffff}) {
    server.claim(size);
    EXPECT_FALSE(find(*in)) << size;
  }
}
