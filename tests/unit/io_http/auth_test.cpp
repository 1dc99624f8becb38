#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <future>
#include <thread>

#include "asking.h"
#include "fake_server.h"
#include "geo/base/hmac.h"
#include "geo/base/text.h"
#include "geo/io/http.h"

namespace geo::io::http {
namespace {

using namespace std::chrono_literals;
using std::chrono::steady_clock;

constexpr std::string_view kProblem = "application/problem+json";

std::string decision(std::string_view more = "") {
  return R"({"owner_type":"user","owner_id":"u1")" + std::string(more) + "}";
}
std::string refusal(ErrorCode code, std::string_view headers = "") {
  std::string body;
  append_problem(body, {code, "x"}, "1");
  return answer_of(row_of(code).http_status, body, headers, kProblem);
}

// The time of both clocks goes on together, and only by forward().
class TestClock final : public Clock {
 public:
  WallTime wall() const override { return *parse_time("2026-06-01T12:00:00Z") + shift_.load(); }
  MonotonicTime monotonic() const override { return steady_clock::now() + shift_.load(); }
  void forward(std::chrono::milliseconds time) { shift_ = shift_.load() + time; }

 private:
  std::atomic<std::chrono::milliseconds> shift_{};
};

struct Auth {
  static constexpr CacheLimits kLimits{.entries = 10'000, .ttl = 60s, .stale = 1h, .negative_ttl = 10s};
  explicit Auth(const std::string& url, std::chrono::milliseconds budget = 10s, CacheLimits limits = kLimits)
      : client(auth_client({url, budget, limits}, clock)) {}

  Polled<auth::Right> poll(const auth::Query& query, Wait wait) const {
    return client->authorize(query, {clock.wall(), clock.monotonic(), wait});
  }
  Result<auth::Right> ask(const auth::Query& query) const {
    auto answer = poll(query, Wait::until(clock.monotonic() + 60s));
    if (!answer) return deny(ErrorCode::internal, "nothing yet");
    return std::move(*answer);
  }
  Result<auth::Right> ask(std::string_view token = "T-1", std::string_view camera = "0") const {
    return ask(query(token, camera));
  }
  static auth::Query query(std::string_view token, std::string_view camera = "0") {
    return {token, "view", "camera", camera, "100-abcdef"};
  }
  std::string code(std::string_view token = "T-1", std::string_view camera = "0") const {
    const auto answer = ask(token, camera);
    return answer ? "ok" : std::string(name_of(answer.error().code));
  }
  UpstreamStatus status() const { return client->status(clock.monotonic()); }

  TestClock clock;
  std::shared_ptr<const AuthClient> client;
};

TEST(AuthClient, AsksInTheContractsForm) {
  const FakeServer server(answer_of(200, decision(R"(,"expires_at":"2030-01-01T03:00:00+03:00","max_age_s":60)")));
  const Auth it(server.url() + "/base/");
  const auto right = it.ask({R"(T-"\1)", "control", "server", "100-abcdef", "100-abcdef"});
  ASSERT_TRUE(right) << right.error().detail;
  EXPECT_EQ(*right->token.row, (auth::Token{sha256(R"(T-"\1)"), {"user", "u1"}, *parse_time("2030-01-01T00:00:00Z")}));
  EXPECT_EQ(right->token.from, From::upstream);
  const auto seen = server.seen();
  ASSERT_EQ(seen.size(), 1U);
  EXPECT_TRUE(seen[0].head.starts_with("POST /base/authorize HTTP/1.1\r\n")) << seen[0].head;
  EXPECT_NE(seen[0].head.find("Content-Type: application/json\r\n"), std::string::npos);
  EXPECT_EQ(
      seen[0].body,
      R"({"token":"T-\"\\1","rights":"control","object_type":"server","object_id":"100-abcdef","server":"100-abcdef"})");
  EXPECT_EQ(it.client->name(), "auth");
}

TEST(AuthClient, APlainAnswerIsFineAndHasNoEnd) {
  for (const char* more : {"", R"(,"expires_at":null)", R"(,"max_age_s":null,"expires_at":null)",
                           R"(,"more":{"x":[1]},"token":7)", R"(,"max_age_s":1e9)", R"(,"max_age_s":60.0)"}) {
    const FakeServer server(answer_of(200, decision(more)));
    const Auth it(server.url());
    const auto right = it.ask();
    ASSERT_TRUE(right) << more;
    EXPECT_EQ(right->owner().id, "u1");
    EXPECT_FALSE(right->token->expires_at) << more;
    EXPECT_EQ(it.ask()->token.from, From::cache);
    EXPECT_EQ(server.seen().size(), 1U);
  }
}

TEST(AuthClient, EachOfTokenRightAndObjectIsAnotherQuestion) {
  const FakeServer server(answer_of(200, decision()));
  const Auth it(server.url());
  const std::vector<auth::Query> queries{
      {"T-1", "view", "camera", "0", "100"}, {"T-2", "view", "camera", "0", "100"},
      {"T-1", "edit", "camera", "0", "100"}, {"T-1", "view", "server", "0", "100"},
      {"T-1", "view", "camera", "1", "100"}, {"T-1", "view", "camera", "0", "1000"},
      {"T-1", "view", "camera", "01", "00"}, {"T-1", "view", "camera1:0", "", "100"}};
  for (int round = 0; round < 2; ++round)
    for (const auth::Query& query : queries) EXPECT_TRUE(it.ask(query));
  EXPECT_EQ(server.seen().size(), queries.size());
  EXPECT_EQ(it.client->stats().hits, queries.size());
}

TEST(AuthClient, OneCallHoweverManyWait) {
  std::atomic<bool> open = false;
  const FakeServer server([&](const Peer& peer, const Seen&) {
    open.wait(false);
    peer.send(answer_of(200, decision()));
  });
  const Auth it(server.url());
  EXPECT_FALSE(it.poll(Auth::query("T-1"), Wait::never())) << "not at hand, and it may not wait";
  std::vector<std::future<std::string>> waiting;
  for (int i = 0; i < 20; ++i) waiting.push_back(std::async(std::launch::async, [&] { return it.code(); }));
  while (server.seen().empty()) std::this_thread::yield();
  open = true;
  open.notify_all();
  for (auto& each : waiting) EXPECT_EQ(each.get(), "ok");
  EXPECT_EQ(server.seen().size(), 1U);
}

TEST(AuthClient, ItsRefusalsAreAnswersKeptApart) {
  for (const ErrorCode code : {ErrorCode::token_unknown, ErrorCode::token_expired, ErrorCode::forbidden}) {
    const FakeServer server(refusal(code, "Cache-Control: no-store\r\n"));
    Auth it(server.url());
    for (int i = 0; i < 20; ++i) EXPECT_EQ(it.code("T-" + std::to_string(i)), name_of(code));
    EXPECT_EQ(it.status().state, Breaker::State::closed);
    EXPECT_EQ(it.status().calls, (Tally::Sums{0, 20, 0, 0}));
    EXPECT_EQ(it.ask("T-1").error(), auth::denial(code)) << "in our words";
    it.clock.forward(9s);
    EXPECT_EQ(it.code("T-1"), name_of(code));
    EXPECT_EQ(server.seen().size(), 20U) << "kept for the negative life";
    it.clock.forward(1s);
    EXPECT_EQ(it.code("T-1"), name_of(code));
    EXPECT_EQ(server.seen().size(), 21U);
  }
}

TEST(AuthClient, ADecisionIsKeptForTheShortestOfItsLives) {
  const std::vector<std::pair<std::string, std::chrono::seconds>> lives{
      {"", 60s},
      {R"(,"max_age_s":7)", 7s},
      {R"(,"max_age_s":3600)", 60s},
      {R"(,"max_age_s":7,"expires_at":"2030-01-01T00:00:00Z")", 7s},
  };
  for (const auto& [more, life] : lives) {
    const FakeServer server(answer_of(200, decision(more)));
    Auth it(server.url());
    EXPECT_EQ(it.code(), "ok");
    it.clock.forward(life - 1s);
    EXPECT_EQ(it.code(), "ok");
    EXPECT_EQ(server.seen().size(), 1U) << more;
    it.clock.forward(1s);
    EXPECT_EQ(it.code(), "ok");
    EXPECT_EQ(server.seen().size(), 2U) << more;
  }
}

TEST(AuthClient, MaxAgeOfNothingIsAskedEachTime) {
  const FakeServer server(answer_of(200, decision(R"(,"max_age_s":0)")));
  const Auth it(server.url());
  for (int i = 0; i < 3; ++i) EXPECT_EQ(it.code(), "ok");
  EXPECT_EQ(server.seen().size(), 3U);
}

TEST(AuthClient, ATokenEndsAtItsSecondWhateverTheCacheHolds) {
  std::atomic<bool> away = false;
  const FakeServer server([&](const Peer& peer, const Seen&) {
    peer.send(away ? answer_of(500, "") : answer_of(200, decision(R"(,"expires_at":"2026-06-01T12:00:20Z")")));
  });
  Auth it(server.url());
  EXPECT_EQ(it.code(), "ok");
  away = true;
  it.clock.forward(19s);  // the caches' clock goes on by itself as well
  EXPECT_EQ(it.code(), "ok");
  EXPECT_EQ(server.seen().size(), 1U);
  it.clock.forward(1s);
  for (int i = 0; i < 9; ++i) EXPECT_EQ(it.code(), "token_expired") << "though it is stale and may serve";
  // .. and by the clock of whoever asks, which may have been set by hand
  const auth::Query query = Auth::query("T-1");
  const Wait wait = Wait::until(it.clock.monotonic() + 60s);
  const auto before = it.client->authorize(query, {*parse_time("2026-06-01T12:00:19Z"), it.clock.monotonic(), wait});
  ASSERT_TRUE(before && *before);
  EXPECT_EQ((*before)->token.from, From::stale);
}

TEST(AuthClient, AnAnswerThatEndedBeforeItCameIsExpired) {
  const FakeServer server(answer_of(200, decision(R"(,"expires_at":"2026-06-01T11:59:59Z")")));
  const Auth it(server.url());
  EXPECT_EQ(it.code(), "token_expired");
  EXPECT_EQ(it.status().state, Breaker::State::closed);
}

TEST(AuthClient, WhatIsKnownServesWhileItIsAway) {
  std::atomic<bool> away = false;
  const FakeServer server([&](const Peer& peer, const Seen& seen) {
    if (away) return peer.send(answer_of(503, "<html>", "", "text/html"));
    peer.send(seen.body.find("T-no") == std::string::npos ? answer_of(200, decision())
                                                          : refusal(ErrorCode::token_unknown));
  });
  Auth it(server.url());
  EXPECT_EQ(it.code("T-1"), "ok");
  EXPECT_EQ(it.code("T-no"), "token_unknown");
  away = true;
  it.clock.forward(61s);
  EXPECT_EQ(it.ask("T-1")->token.from, From::stale);
  EXPECT_EQ(it.code("T-no"), "upstream_unavailable") << "a refusal is not kept past its life";
  EXPECT_EQ(it.code("T-2"), "upstream_unavailable");
  for (int i = 0; i < 9; ++i) EXPECT_EQ(it.code("T-1"), "ok");
  EXPECT_EQ(server.seen().size(), 2U + Breaker::kFailures) << "it is left alone";
  // in the loop too, which may not wait, once it is left alone
  const auto at_once = it.poll(Auth::query("T-1"), Wait::never());
  EXPECT_TRUE(at_once && *at_once);
  it.clock.forward(5s);
  away = false;
  EXPECT_EQ(it.ask("T-1")->token.from, From::upstream);
  EXPECT_EQ(it.status().state, Breaker::State::closed) << "it comes back by itself";
  away = true;
  it.clock.forward(61s + 1h);
  EXPECT_EQ(it.code("T-1"), "upstream_unavailable") << "past the stale window";
}

TEST(AuthClient, WhatWasTakenBackDoesNotServeWhileItIsAway) {
  std::atomic<int> calls = 0;
  const FakeServer server([&](const Peer& peer, const Seen&) {
    const int call = calls++;
    peer.send(call == 0 ? answer_of(200, decision()) : call == 1 ? refusal(ErrorCode::token_unknown) : "");
    if (call > 1) peer.close();
  });
  Auth it(server.url());
  EXPECT_EQ(it.code(), "ok");
  it.clock.forward(61s);
  EXPECT_EQ(it.code(), "token_unknown");
  it.clock.forward(11s);
  EXPECT_EQ(it.code(), "upstream_unavailable");
}

TEST(AuthClient, AnythingElseIsItsFailure) {
  const auto bad = [](std::string_view body) { return answer_of(200, body); };
  const std::string form = "its answer is not in the agreed form", no_json = "its answer is no JSON";
  const std::vector<std::pair<std::string, std::string>> answers{
      {bad("{}"), form},
      {bad("null"), no_json},
      {bad("[]"), form},
      {bad("true"), no_json},
      {bad(R"({"owner_type":"user"})"), form},
      {bad(R"({"owner_id":"u1"})"), form},
      {bad(R"({"owner_type":"user","owner_id":null})"), form},
      {bad(R"({"owner_type":"user","owner_id":1})"), form},
      {bad(R"({"owner_type":"user","owner_id":""})"), form},
      {bad(R"({"owner_type":"user","owner_id":"a b"})"), form},
      {bad(R"({"owner_type":"user","owner_id":"a/b"})"), form},
      {bad(R"({"owner_type":"user","owner_id":")" + std::string(65, 'a') + "\"}"), form},
      {bad(R"({"owner_type":["user"],"owner_id":"u1"})"), form},
      {bad(R"([{"owner_type":"user","owner_id":"u1"}])"), form},
      {bad(decision(R"(,"expires_at":"tomorrow")")), form},
      {bad(decision(R"(,"expires_at":"")")), form},
      {bad(decision(R"(,"expires_at":1893456000)")), form},
      {bad(decision(R"(,"expires_at":"1893456000")")), form},
      {bad(decision(R"(,"expires_at":"2030-01-01")")), form},
      {bad(decision(R"(,"expires_at":"2030-13-01T00:00:00Z")")), form},
      {bad(decision(R"(,"expires_at":false)")), form},
      {bad(decision(R"(,"max_age_s":-1)")), form},
      {bad(decision(R"(,"max_age_s":1.5)")), form},
      {bad(decision(R"(,"max_age_s":"60")")), form},
      {bad(decision(R"(,"max_age_s":true)")), form},
      {bad(decision(R"(,"max_age_s":[])")), form},
      {bad(""), no_json},
      {bad("<html>"), no_json},
      {bad(decision().substr(0, 20)), no_json},
      {bad(std::string(10'000, '[')), no_json},
      {bad("{\"owner_type\":\"user\",\"owner_id\":\"\xff\"}"), "its answer is no UTF-8"},
      {bad(std::string((1 << 20) + 1, ' ')), "its answer is too long"},
      {answer_of(200, decision(), "", "text/html"), no_json},
      {answer_of(200, decision(), "", ""), no_json},
      {answer_of(200, decision(), "", "application/json; charset=utf-16"), no_json},
      {answer_of(201, decision()), "it answers with status 201"},
      {answer_of(204, ""), "it answers with status 204"},
      {answer_of(302, decision(), "Location: /x\r\n"), "it answers with status 302"},
      {answer_of(401, ""), "it answers with status 401"},
      {answer_of(401, "{}"), "it answers with status 401"},
      {answer_of(401, "<html>", "WWW-Authenticate: Bearer\r\n", "text/html"), "it answers with status 401"},
      {answer_of(401, R"({"code":"forbidden"})"), "it answers with status 401"},
      {answer_of(401, R"({"code":"nonsense"})"), "it answers with status 401"},
      {answer_of(401, R"({"code":"token_unknown"})", "", "text/plain"), "it answers with status 401"},
      {refusal(ErrorCode::missing_token), "it answers with status 401"},
      {answer_of(403, "Forbidden", "", "text/plain"), "it answers with status 403"},
      {answer_of(403, R"({"code":"token_unknown"})"), "it answers with status 403"},
      {refusal(ErrorCode::format_not_in_tariff), "it answers with status 403"},
      {answer_of(200, R"({"code":"forbidden","status":403})"), form},
      {answer_of(404, "no"), "it answers with status 404"},
      {refusal(ErrorCode::no_such_path), "it answers with status 404"},
      {refusal(ErrorCode::bad_request), "it answers with status 400"},
      {refusal(ErrorCode::internal), "it answers with status 500"},
      {answer_of(500, "token T-1 crashed", "", "text/plain"), "it answers with status 500"},
      {answer_of(503, "{}"), "it answers with status 503"},
      {"HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n", "its answer is no HTTP"},
  };
  for (const auto& [bytes, why] : answers) {
    const FakeServer server(bytes);
    const Auth it(server.url());
    const auto answer = it.ask();
    ASSERT_FALSE(answer) << bytes;
    EXPECT_EQ(answer.error().code, ErrorCode::upstream_unavailable) << bytes;
    EXPECT_EQ(answer.error().detail, "auth cannot be asked at the moment");
    EXPECT_EQ(it.status().last_error, why) << bytes;
    EXPECT_EQ(it.status().last_error.find("T-1"), std::string::npos);
    EXPECT_EQ(it.status().calls, (Tally::Sums{0, 0, 1, 0})) << bytes;
    for (int i = 0; i < 4; ++i) EXPECT_EQ(it.code(), "upstream_unavailable") << "not kept";
    EXPECT_EQ(it.status().state, Breaker::State::open) << bytes;
  }
}

TEST(AuthClient, OneThatSaysSoItselfIsWell) {
  for (const ErrorCode code :
       {ErrorCode::upstream_unavailable, ErrorCode::deadline_exceeded, ErrorCode::rate_limited}) {
    const FakeServer server(refusal(code, "Retry-After: 37\r\n"));
    const Auth it(server.url());
    for (int i = 0; i < 20; ++i) {
      const auto answer = it.ask();
      ASSERT_FALSE(answer);
      EXPECT_EQ(answer.error().code, ErrorCode::upstream_unavailable);
      EXPECT_EQ(answer.error().retry_after, 37s);
    }
    EXPECT_EQ(it.status().state, Breaker::State::closed) << name_of(code);
    EXPECT_EQ(it.status().calls, (Tally::Sums{0, 0, 20, 0}));
  }
}

TEST(AuthClient, ItsSilenceEndsWithTheBudget) {
  const FakeServer server([](const Peer& peer, const Seen&) { peer.hang(); });
  const Auth it(server.url(), 100ms);
  const auto before = steady_clock::now();
  EXPECT_EQ(it.code(), "upstream_unavailable");
  EXPECT_LT(steady_clock::now() - before, 30s) << "and not the 60 s that it could wait";
  EXPECT_EQ(it.status().last_error, "it did not answer in time");
}

TEST(AuthClient, AnAnswerThatDripsIsNoAnswer) {
  const FakeServer server([](const Peer& peer, const Seen&) { peer.drip(answer_of(200, decision()), 20ms); });
  const Auth it(server.url(), 100ms);
  EXPECT_EQ(it.code(), "upstream_unavailable");
  EXPECT_EQ(it.status().last_error, "it did not answer in time");
}

TEST(AuthClient, IsAskedAgainWhereAKeptConnectionWasClosed) {
  std::atomic<int> calls = 0;
  const FakeServer server([&](const Peer& peer, const Seen&) {
    if (calls++ == 1) return peer.close();
    peer.send(answer_of(200, decision()));
  });
  const Auth it(server.url());
  EXPECT_EQ(it.code("T-1"), "ok");
  EXPECT_EQ(it.code("T-2"), "ok");
  EXPECT_EQ(calls, 3);
  EXPECT_EQ(it.status().calls, (Tally::Sums{2, 0, 0, 0}));
}

TEST(AuthClient, TakesNoMoreThanItsQueueHolds) {
  const FakeServer server([](const Peer& peer, const Seen&) { peer.hang(); });
  const Auth it(server.url(), 60s);
  for (int i = 0; i < 3000; ++i) (void)it.poll(Auth::query("T-" + std::to_string(i)), Wait::never());
  EXPECT_EQ(it.status().calls[3], 1000U) << "at once, while 2,000 wait";
  EXPECT_EQ(it.status().last_error, "too many are waiting for it");
}

TEST(AuthClient, ClosesThoughCallsHang) {
  const FakeServer server([](const Peer& peer, const Seen&) { peer.hang(); });
  const auto before = steady_clock::now();
  {
    const Auth it(server.url(), 60s);
    for (int i = 0; i < 100; ++i) (void)it.poll(Auth::query("T-" + std::to_string(i)), Wait::never());
    while (server.seen().empty()) std::this_thread::yield();
  }
  EXPECT_LT(steady_clock::now() - before, 30s);
}

TEST(AuthClient, NobodyThereIsItsFailure) {
  std::string url;
  {
    const FakeServer server("");
    url = server.url();
  }
  const Auth it(url);
  EXPECT_EQ(it.code(), "upstream_unavailable");
  EXPECT_EQ(it.status().last_error, "it refused the connection");
  EXPECT_EQ(Auth("nonsense").code(), "upstream_unavailable");
}

}  // namespace
}  // namespace geo::io::http
