#include "io/http/client.h"

#include <gtest/gtest.h>

#include <cstdlib>

#include "fake_server.h"

namespace geo::io::http {
namespace {

using namespace std::chrono_literals;
using std::chrono::steady_clock;

constexpr auto kAmple = 10s;
const Request kGet{.target = "/x?secret=hush", .headers = {{"X-Secret", "hush"}}, .json = {}};
const Request kPost{.target = "/x?secret=hush", .headers = {}, .json = "[]"};

std::string error_of(const tl::expected<Answer, std::string>& answer) { return answer ? "none" : answer.error(); }

// What a call says that has 300 ms, against a server that would go on for much longer; and how long that took.
struct Late {
  std::string error;
  std::chrono::milliseconds took;
};
Late late(const std::string& url) {
  const Client client(url, 1);
  const auto before = steady_clock::now();
  std::string error = error_of(client.call(kGet, 300ms));
  return {error, std::chrono::duration_cast<std::chrono::milliseconds>(steady_clock::now() - before)};
}

TEST(Client, GetsAndPosts) {
  const FakeServer server(answer_of(200, "{}", "X-Rl: 44\r\n"));
  const Client client(server.url() + "/base/", 1);
  const auto got = client.call(kGet, kAmple);
  ASSERT_TRUE(got) << got.error();
  EXPECT_EQ(got->status, 200);
  EXPECT_EQ(got->body, "{}");
  EXPECT_EQ(got->header("x-rl"), "44");
  EXPECT_EQ(got->header("X-Ttl"), "");
  ASSERT_TRUE(client.call(kPost, kAmple));
  const auto seen = server.seen();
  ASSERT_EQ(seen.size(), 2U);
  EXPECT_TRUE(seen[0].head.starts_with("GET /base/x?secret=hush HTTP/1.1\r\n")) << seen[0].head;
  EXPECT_NE(seen[0].head.find("Host: 127.0.0.1:" + std::to_string(server.port()) + "\r\n"), std::string::npos);
  EXPECT_NE(seen[0].head.find("X-Secret: hush\r\n"), std::string::npos);
  EXPECT_TRUE(seen[1].head.starts_with("POST /base/x?secret=hush HTTP/1.1\r\n")) << seen[1].head;
  EXPECT_EQ(seen[1].body, "[]");
  EXPECT_EQ(server.connections(), 1U) << "the connection is kept";
}

TEST(Client, AnswersInChunksAreReadWhole) {
  const FakeServer server("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\n[1,\r\n2\r\n2]\r\n0\r\n\r\n");
  const Client client(server.url(), 1);
  for (int i = 0; i < 2; ++i) {
    const auto got = client.call(kGet, kAmple);
    ASSERT_TRUE(got) << got.error();
    EXPECT_EQ(got->body, "[1,2]");
  }
}

TEST(Client, EndsByItsDeadlineWhateverThePeerDoes) {
  const std::vector<std::pair<std::string, FakeServer::Serve>> peers{
      {"says nothing", [](const Peer& peer, const Seen&) { peer.hang(); }},
      {"drips its header",
       [](const Peer& peer, const Seen&) {
         peer.send("HTTP/1.1 200 OK\r\nX: ");
         peer.drip("x", 20ms);
       }},
      {"drips its body",
       [](const Peer& peer, const Seen&) {
         peer.send("HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n");
         peer.drip("x", 20ms);
       }},
      {"drips chunks",
       [](const Peer& peer, const Seen&) {
         peer.send("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n");
         peer.drip("1\r\nx\r\n", 20ms);
       }},
      {"sends preliminary answers for ever",
       [](const Peer& peer, const Seen&) { peer.drip("HTTP/1.1 100 Continue\r\n\r\n", 2ms); }},
  };
  for (const auto& [what, serve] : peers) {
    const FakeServer server(serve);
    const Late it = late(server.url());
    EXPECT_EQ(it.error, "it did not answer in time") << what;
    EXPECT_GE(it.took, 290ms) << what;
    EXPECT_LT(it.took, 2s) << what;
  }
}

TEST(Client, EndsByItsDeadlineWhereNothingConnects) {
  const test::Silent silent;
  const Late it = late("http://127.0.0.1:" + std::to_string(silent.port()));
  EXPECT_EQ(it.error, "it did not answer in time");
  EXPECT_GE(it.took, 290ms);
  EXPECT_LT(it.took, 2s);
}

TEST(Client, SaysWhatIsWrongAndNoSecret) {
  const std::string head = "HTTP/1.1 200 OK\r\n";
  const std::vector<std::pair<std::string, FakeServer::Serve>> peers{
      {"it closed the connection without an answer", [](const Peer& peer, const Seen&) { peer.close(); }},
      {"its answer is no HTTP",
       [](const Peer& peer, const Seen&) {
         peer.send("\x16\x03\x01 hush\r\n\r\n");
         peer.close();
       }},
      {"it cut its answer short",
       [&](const Peer& peer, const Seen&) {
         peer.send(head + "Content-Length: 10\r\n\r\nabc");
         peer.close();
       }},
      {"its answer is no HTTP",
       [&](const Peer& peer, const Seen&) { peer.send(head + "Content-Length: ten\r\n\r\nabc"); }},
      {"its answer is no HTTP",
       [&](const Peer& peer, const Seen&) { peer.send(head + "Content-Length: -7\r\n\r\nabc"); }},
      {"its answer is no HTTP",
       [&](const Peer& peer, const Seen&) { peer.send(head + "Content-Length: 3\r\ncontent-length: 2\r\n\r\nabc"); }},
      {"its answer is too long",
       [&](const Peer& peer, const Seen&) { peer.send(head + "Content-Length: 1048577\r\n\r\nabc"); }},
      {"its answer is too long",
       [&](const Peer& peer, const Seen&) {
         std::string headers;
         for (int i = 0; i < 90; ++i) headers += "X: " + std::string(1000, 'x') + "\r\n";
         peer.send(head + headers + "\r\n");
       }},
      {"its answer is too long",
       [&](const Peer& peer, const Seen&) {
         peer.send(head + "Transfer-Encoding: chunked\r\n\r\n");
         for (int i = 0; i < 2000; ++i) peer.send("400\r\n" + std::string(1024, 'x') + "\r\n");
       }},
      {"its answer is too long",
       [&](const Peer& peer, const Seen&) {
         peer.send(head + "\r\n");
         for (int i = 0; i < 2000; ++i) peer.send(std::string(1024, 'x'));
         peer.close();
       }},
  };
  for (std::size_t i = 0; i < peers.size(); ++i) {
    const FakeServer server(peers[i].second);
    EXPECT_EQ(error_of(Client(server.url(), 1).call(kGet, kAmple)), peers[i].first) << i;
  }
  std::uint16_t gone = 0;
  {
    const FakeServer server("");
    gone = server.port();
  }
  EXPECT_EQ(error_of(Client("http://127.0.0.1:" + std::to_string(gone), 1).call(kGet, kAmple)),
            "it refused the connection");
  EXPECT_EQ(error_of(Client("http://no-such-host.invalid", 1).call(kGet, kAmple)), "its name cannot be resolved");
  EXPECT_EQ(error_of(Client("ftp://x", 1).call(kGet, kAmple)),
            "its URL cannot be used: it must begin with http:// or https://");
}

// Answers once on each connection; what comes second is cut off before a byte of an answer.
FakeServer::Serve once_per_connection(std::atomic<int>& served) {
  return [&served](const Peer& peer, const Seen&) {
    if (served++ % 2 == 0)
      peer.send(answer_of(200, "{}"));
    else
      peer.close();
  };
}

TEST(Client, RepeatsAGetOnceWhereAKeptConnectionWasClosed) {
  std::atomic<int> served = 0;
  const FakeServer server(once_per_connection(served));
  const Client client(server.url(), 1);
  ASSERT_TRUE(client.call(kGet, kAmple));
  EXPECT_EQ(error_of(client.call(kGet, kAmple)), "none");
  EXPECT_EQ(server.seen().size(), 3U);
  EXPECT_EQ(server.connections(), 2U);
}

TEST(Client, RepeatsNoPostAndNothingThatMayNotBe) {
  for (Request second : {kPost, kGet}) {
    second.may_repeat = [] { return false; };
    std::atomic<int> served = 0;
    const FakeServer server(once_per_connection(served));
    const Client client(server.url(), 1);
    ASSERT_TRUE(client.call(kGet, kAmple));
    EXPECT_NE(error_of(client.call(second, kAmple)), "none");
    EXPECT_EQ(server.seen().size(), 2U);
  }
}

TEST(Client, RepeatsNothingOnceAnAnswerBegan) {
  std::atomic<int> served = 0;
  const FakeServer server([&](const Peer& peer, const Seen&) {
    if (served++ == 0) return peer.send(answer_of(200, "{}"));
    peer.send("HTTP/1.1 2");
    peer.close();
  });
  const Client client(server.url(), 1);
  ASSERT_TRUE(client.call(kGet, kAmple));
  EXPECT_NE(error_of(client.call(kGet, kAmple)), "none");
  EXPECT_EQ(server.seen().size(), 2U);
}

TEST(Client, UsesNoConnectionOnWhichSomethingCameUnasked) {
  // The bytes behind the answer would be taken for the next one.
  const FakeServer server(answer_of(200, "{}") + answer_of(200, "[\"smuggled\"]"));
  const Client client(server.url(), 1);
  for (int i = 0; i < 3; ++i) {
    const auto got = client.call(kGet, kAmple);
    ASSERT_TRUE(got) << got.error();
    EXPECT_EQ(got->body, "{}");
  }
  EXPECT_EQ(server.connections(), 3U);
}

TEST(Client, FollowsNoRedirectAndUsesNoProxy) {
  ::setenv("http_proxy", "http://127.0.0.1:1", 1);
  const FakeServer server(answer_of(302, "", "Location: http://127.0.0.1:1/\r\n"));
  const auto got = Client(server.url(), 1).call(kGet, kAmple);
  ::unsetenv("http_proxy");
  ASSERT_TRUE(got) << got.error();
  EXPECT_EQ(got->status, 302);
  EXPECT_EQ(server.seen().size(), 1U);
}

TEST(Client, KeepsNoMoreConnectionsThanItMay) {
  std::atomic<int> here = 0;
  const FakeServer server([&](const Peer& peer, const Seen&) {
    for (++here; here < 4;) std::this_thread::yield();  // until all four are here
    peer.send(answer_of(200, "{}"));
  });
  const Client client(server.url(), 2);
  std::vector<std::thread> callers;
  for (int i = 0; i < 4; ++i) callers.emplace_back([&] { EXPECT_TRUE(client.call(kGet, kAmple)); });
  for (std::thread& each : callers) each.join();
  EXPECT_EQ(server.connections(), 4U);
  callers.clear();
  here = 0;
  for (int i = 0; i < 4; ++i) callers.emplace_back([&] { EXPECT_TRUE(client.call(kGet, kAmple)); });
  for (std::thread& each : callers) each.join();
  EXPECT_EQ(server.connections(), 6U) << "two of four were kept";
}

}  // namespace
}  // namespace geo::io::http
