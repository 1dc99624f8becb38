#include <gtest/gtest.h>

#include <future>

#include "asking.h"
#include "fake_server.h"
#include "geo/base/text.h"
#include "geo/io/http.h"

namespace geo::io::http {
namespace {

using namespace std::chrono_literals;
using std::chrono::steady_clock;

std::string entry(std::string_view ip) {
  return R"({"status":"success","countryCode":"RU","region":"MOW","regionName":"Moscow","city":"Москва",)"
         R"("lat":55.75,"lon":37.61,"query":")" +
         std::string(ip) + "\"}";
}

bool is_batch(const Seen& seen) { return seen.head.starts_with("POST /batch?"); }

// Of a batch's body, or of the path.
std::vector<std::string> asked(const Seen& seen) {
  std::vector<std::string> out;
  if (!is_batch(seen)) {
    const std::string target = seen.target();
    return {target.substr(6, target.find('?') - 6)};
  }
  for (std::size_t at = seen.body.find('"'); at != std::string::npos;) {
    const std::size_t end = seen.body.find('"', at + 1);
    out.push_back(seen.body.substr(at + 1, end - at - 1));
    at = seen.body.find('"', end + 1);
  }
  return out;
}

std::string found(const Seen& seen) {
  if (!is_batch(seen)) return entry(asked(seen)[0]);
  std::string out;
  for (const std::string& ip : asked(seen)) out += (out.empty() ? "[" : ",") + entry(ip);
  return out + "]";
}

void serve_all(const Peer& peer, const Seen& seen) { peer.send(answer_of(200, found(seen))); }

IpApiSettings gathers(std::chrono::milliseconds gather) {
  IpApiSettings settings;
  settings.gather = gather;
  return settings;
}
IpApiSettings speaks(std::string_view language) {
  IpApiSettings settings;
  settings.language = language;
  return settings;
}
IpApiSettings pays(std::string_view key, std::chrono::milliseconds gather = std::chrono::milliseconds(5)) {
  IpApiSettings settings = gathers(gather);
  settings.key = key;
  return settings;
}

struct IpApi {
  explicit IpApi(const std::string& url, IpApiSettings settings = {})
      : asking(ip_api((settings.url = url, settings), clock), clock) {}
  ShiftedClock clock;
  Asking asking;
};

std::size_t batches(const std::vector<Seen>& seen) {
  return static_cast<std::size_t>(std::count_if(seen.begin(), seen.end(), is_batch));
}

TEST(IpApi, ALoneAddressIsAskedAlone) {
  const FakeServer server(serve_all);
  IpApi it(server.url());
  const auto at = it.asking.ask("77.88.55.60");
  ASSERT_TRUE(at) << at.error().detail;
  EXPECT_EQ(*at, (place::Location{"RU", "MOW", "Moscow", "Москва", place::Coordinates{55.75, 37.61}}));
  EXPECT_EQ(server.seen()[0].target(),
            "/json/77.88.55.60?fields=status,message,countryCode,region,regionName,city,lat,lon,query&lang=en");
  EXPECT_TRUE(it.asking.ask("2001:db8::"));
  EXPECT_EQ(asked(server.seen()[1])[0], "2001:db8::");
}

TEST(IpApi, AddressesThatComeTogetherGoTogether) {
  const FakeServer server(serve_all);
  IpApi it(server.url(), gathers(200ms));
  it.asking.begin(addresses(250), 10s);
  for (const std::string& ip : addresses(250)) EXPECT_TRUE(it.asking.finish(ip));
  const auto seen = server.seen();
  ASSERT_EQ(seen.size(), 3U);
  std::size_t total = 0;
  for (const Seen& each : seen) {
    EXPECT_TRUE(each.head.starts_with(
        "POST /batch?fields=status,message,countryCode,region,regionName,city,lat,lon,query&lang=en HTTP/1.1\r\n"));
    EXPECT_LE(asked(each).size(), 100U);
    total += asked(each).size();
  }
  EXPECT_EQ(total, 250U);
}

TEST(IpApi, LanguagesItHasAndOthers) {
  const FakeServer server(serve_all);
  for (const char* language : {"zh-CN", "nl", "en&fields=proxy"}) {
    IpApi it(server.url(), speaks(language));
    ASSERT_TRUE(it.asking.ask("77.88.55.60"));
  }
  EXPECT_TRUE(server.seen()[0].target().ends_with("&lang=zh-CN"));
  EXPECT_TRUE(server.seen()[1].target().ends_with("&lang=en"));
  EXPECT_TRUE(server.seen()[2].target().ends_with("&lang=en"));
}

TEST(IpApi, ReservedAndUnknownAreAnswers) {
  const FakeServer server([](const Peer& peer, const Seen& seen) {
    const std::string ip = asked(seen)[0];
    const std::string_view message = ip == "10.0.0.1" ? "private range" : "invalid query";
    peer.send(answer_of(200, R"({"status":"fail","message":")" + std::string(message) + R"(","query":")" + ip + "\"}"));
  });
  IpApi it(server.url());
  EXPECT_EQ(code_of(it.asking.ask("10.0.0.1")), ErrorCode::reserved_address);
  EXPECT_EQ(code_of(it.asking.ask("192.0.2.1")), ErrorCode::unknown_address);
  EXPECT_EQ(it.asking.status().calls, (Tally::Sums{0, 2, 0, 0}));
}

// ---- the limits ----

TEST(IpApi, AThousandAddressesWithinASecondStayBelowTheLimits) {
  const FakeServer server(serve_all);
  IpApi it(server.url());
  const std::vector<std::string> all = addresses(1000);
  const auto start = steady_clock::now();
  for (std::size_t i = 0; i < all.size(); ++i) {
    std::this_thread::sleep_until(start + i * 1ms);  // how they come, not when something is done
    it.asking.begin({all[i]}, 1500ms);
  }
  std::size_t answered = 0;
  for (const std::string& ip : all) answered += it.asking.finish(ip).has_value() ? 1 : 0;
  EXPECT_EQ(answered, 1000U);
  const auto seen = server.seen();
  EXPECT_LE(batches(seen), 15U);
  EXPECT_LE(seen.size() - batches(seen), 45U);
}

TEST(IpApi, UsesBothKindsOfCallThenSaysWhenThereIsMore) {
  const FakeServer server(serve_all);
  IpApi it(server.url(), gathers(0ms));
  std::size_t next = 0;
  const std::vector<std::string> all = addresses(200);
  for (; next < 60; ++next) ASSERT_TRUE(it.asking.ask(all[next])) << next;
  EXPECT_EQ(batches(server.seen()), 15U);
  const auto refused = it.asking.ask(all[next], 2s);
  ASSERT_EQ(code_of(refused), ErrorCode::upstream_unavailable);
  EXPECT_GE(refused.error().retry_after, 50s);
  EXPECT_LE(refused.error().retry_after, 60s);
  EXPECT_EQ(it.asking.status().last_error, "its limit of calls is used up");
  EXPECT_EQ(it.asking.status().state, Breaker::State::closed);
  EXPECT_EQ(server.seen().size(), 60U);
  it.clock.forward(60s);
  EXPECT_TRUE(it.asking.ask(all[next], 2s));
}

TEST(IpApi, OfALimitThatIsAboutToEndTheRestIsWaitedFor) {
  std::atomic<int> calls = 0;
  const FakeServer server([&](const Peer& peer, const Seen& seen) {
    if (calls++ == 0) return peer.send(answer_of(200, found(seen), "X-Rl: 0\r\nX-Ttl: 1\r\n"));
    if (is_batch(seen)) return peer.send(answer_of(429, "", "X-Rl: 0\r\nX-Ttl: 60\r\n"));
    serve_all(peer, seen);
  });
  IpApi it(server.url());
  ASSERT_TRUE(it.asking.ask("100.64.0.1"));
  const auto before = steady_clock::now();
  ASSERT_TRUE(it.asking.ask("100.64.0.2", 10s)) << "neither kind of call may leave before a second has passed";
  EXPECT_GE(steady_clock::now() - before, 900ms);
  EXPECT_EQ(server.seen().size(), 3U);
}

TEST(IpApi, NoCallWhileTheServiceHasNoneLeft) {
  // with a key our own limits do not count, its word does
  for (const char* key : {"", "k-hush"}) {
    const FakeServer server(
        [](const Peer& peer, const Seen& seen) { peer.send(answer_of(200, found(seen), "X-Rl: 0\r\nX-Ttl: 30\r\n")); });
    IpApi it(server.url(), pays(key));
    ASSERT_TRUE(it.asking.ask("100.64.0.1"));
    ASSERT_TRUE(it.asking.ask("100.64.0.2")) << "by /batch";
    for (const std::string& ip : addresses(250)) {
      if (ip == "100.64.0.1" || ip == "100.64.0.2") continue;
      const auto at = it.asking.ask(ip, 5s);
      ASSERT_EQ(code_of(at), ErrorCode::upstream_unavailable);
      EXPECT_GE(at.error().retry_after, 25s);
      EXPECT_LE(at.error().retry_after, 30s);
    }
    EXPECT_EQ(server.seen().size(), 2U);
    it.clock.forward(30s);
    EXPECT_TRUE(it.asking.ask("100.64.0.3"));
  }
}

TEST(IpApi, TooManyRequestsIsNoFailureOfTheBreaker) {
  const FakeServer server(answer_of(429, "", "X-Rl: 0\r\n", "text/plain"));
  IpApi it(server.url());
  for (int i = 0; i < 9; ++i) {
    const auto at = it.asking.ask("100.64.0." + std::to_string(i), 5s);
    EXPECT_EQ(code_of(at), ErrorCode::upstream_unavailable);
    EXPECT_GE(at.error().retry_after, 50s) << "a minute where it does not say";
  }
  EXPECT_EQ(server.seen().size(), 2U) << "one of each kind";
  EXPECT_EQ(it.asking.status().state, Breaker::State::closed);
}

TEST(IpApi, WithAKeyOurOwnLimitsDoNotCount) {
  const FakeServer server(serve_all);
  IpApi it(server.url(), pays("k-hush", 0ms));
  for (const std::string& ip : addresses(100)) ASSERT_TRUE(it.asking.ask(ip));
  EXPECT_EQ(server.seen().size(), 100U);
  EXPECT_TRUE(server.seen()[0].target().ends_with("&lang=en&key=k-hush"));
}

// ---- faults ----

TEST(IpApi, WhatGoesWrongIsToldWithoutTheKey) {
  const std::vector<std::pair<std::string, FakeServer::Serve>> peers{
      {"it did not answer in time", [](const Peer& peer, const Seen&) { peer.hang(); }},
      {"it did not answer in time",
       [](const Peer& peer, const Seen&) {
         peer.send("HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 1000\r\n\r\n{");
         peer.drip(" ", 20ms);
       }},
      {"it closed the connection without an answer", [](const Peer& peer, const Seen&) { peer.close(); }},
      {"it cut its answer short",
       [](const Peer& peer, const Seen& seen) {
         peer.send(answer_of(200, found(seen)).substr(0, 150));
         peer.close();
       }},
      {"its answer is no JSON", [](const Peer& peer, const Seen&) { peer.send(answer_of(200, "{\"status\":")); }},
      {"its answer is no JSON",
       [](const Peer& peer, const Seen& seen) { peer.send(answer_of(200, found(seen), "", "text/html")); }},
      {"its answer is no UTF-8",
       [](const Peer& peer, const Seen&) { peer.send(answer_of(200, "{\"city\":\"M\xfcnchen\"}")); }},
      {"its answer is about another address",
       [](const Peer& peer, const Seen&) { peer.send(answer_of(200, entry("192.0.2.77"))); }},
      {"it answers with status 500", [](const Peer& peer, const Seen&) { peer.send(answer_of(500, "k-hush")); }},
      {"it answers with status 403",
       [](const Peer& peer, const Seen& seen) { peer.send(answer_of(403, "invalid key " + seen.target())); }},
  };
  for (const auto& [why, serve] : peers) {
    const FakeServer server(serve);
    IpApi it(server.url(), pays("k-hush"));
    const auto before = steady_clock::now();
    const auto at = it.asking.ask("77.88.55.60", 300ms);
    EXPECT_LT(steady_clock::now() - before, 3s) << why;
    EXPECT_EQ(code_of(at), ErrorCode::upstream_unavailable) << why;
    EXPECT_EQ(at.error().detail, "ip-api cannot be asked at the moment");
    EXPECT_EQ(it.asking.status().last_error, why);
    EXPECT_EQ(it.asking.status().last_error.find("hush"), std::string::npos);
    EXPECT_NE(server.seen()[0].target().find("hush"), std::string::npos) << "it was sent";
  }
}

TEST(IpApi, OfABatchThoseThatAreMissingOrForeignFail) {
  const FakeServer server([](const Peer& peer, const Seen&) {
    peer.send(answer_of(200, "[" + entry("100.64.0.2") + "," + entry("192.0.2.77") + "]"));
  });
  IpApi it(server.url(), gathers(100ms));
  std::vector<std::future<Asking::Answer>> answers;
  for (const std::string& ip : addresses(3))
    answers.push_back(std::async(std::launch::async, [&it, ip] { return it.asking.ask(ip); }));
  EXPECT_FALSE(answers[0].get());
  EXPECT_FALSE(answers[1].get());
  EXPECT_TRUE(answers[2].get());
  EXPECT_EQ(it.asking.status().last_error, "its answer does not tell of every address");
  EXPECT_EQ(server.seen().size(), 1U);
}

TEST(IpApi, LoadsEndInTimeWhileAllCallsHang) {
  const FakeServer server([](const Peer& peer, const Seen&) { peer.hang(); });
  IpApi it(server.url(), gathers(0ms));
  std::vector<std::future<Asking::Answer>> answers;
  const auto before = steady_clock::now();
  // these take every connection for longer than the one behind them may wait
  for (const std::string& ip : addresses(4)) {
    answers.push_back(std::async(std::launch::async, [&it, ip] { return it.asking.ask(ip, 2s); }));
    while (server.seen().size() < answers.size()) std::this_thread::yield();
  }
  EXPECT_EQ(code_of(it.asking.ask("192.0.2.1", 200ms)), ErrorCode::upstream_unavailable);
  EXPECT_LT(steady_clock::now() - before, 1500ms);
  for (auto& each : answers) EXPECT_FALSE(each.get());
  EXPECT_LT(steady_clock::now() - before, 4s);
}

TEST(IpApi, IsLeftAloneAfterFiveFailures) {
  const FakeServer server(answer_of(500, ""));
  IpApi it(server.url());
  for (int i = 0; i < 9; ++i) EXPECT_FALSE(it.asking.ask("100.64.0." + std::to_string(i)));
  EXPECT_EQ(server.seen().size(), 5U);
  EXPECT_EQ(it.asking.status().state, Breaker::State::open);
}

}  // namespace
}  // namespace geo::io::http
