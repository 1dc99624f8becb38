#include <gtest/gtest.h>

#include <future>

#include "asking.h"
#include "fake_server.h"
#include "geo/io/http.h"

namespace geo::io::http {
namespace {

using namespace std::chrono_literals;
using std::chrono::steady_clock;

std::string resolved(std::string_view ip) {
  return R"({"ip":")" + std::string(ip) +
         R"(","country_code":"RU","region_iso":"MOW","region":"Moscow","city":"Москва","coordinates":[55.75,37.61],)"
         R"("provider":"maxmind","cached":true})";
}
// As a geo-resolver does for any address.
void resolve_it(const Peer& peer, const Seen& seen) {
  const std::string target = seen.target();
  peer.send(answer_of(200, resolved(target.substr(target.find("ip=") + 3)), "Cache-Control: private, max-age=600\r\n"));
}

struct Remote {
  explicit Remote(const std::string& url) : asking(remote({url}, clock), clock) {}
  ShiftedClock clock;
  Asking asking;
};

TEST(Remote, AsksTheFarResolver) {
  const FakeServer server(resolve_it);
  Remote it(server.url() + "/geo/");
  const auto at = it.asking.ask("77.88.55.60");
  ASSERT_TRUE(at) << at.error().detail;
  EXPECT_EQ(*at, (place::Location{"RU", "MOW", "Moscow", "Москва", place::Coordinates{55.75, 37.61}}));
  const auto seen = server.seen();
  ASSERT_EQ(seen.size(), 1U);
  EXPECT_EQ(seen[0].target(), "/geo/resolve?ip=77.88.55.60");
  EXPECT_NE(seen[0].head.find("Geo-Hops: 1\r\n"), std::string::npos);
  EXPECT_NE(seen[0].head.find("Accept: application/json\r\n"), std::string::npos);
  EXPECT_TRUE(it.asking.ask("2001:db8:1:2::")) << "IPv6 by its /64";
  EXPECT_EQ(server.seen()[1].target(), "/geo/resolve?ip=2001:db8:1:2::");
  EXPECT_EQ(it.asking.status().calls, (std::array<std::uint64_t, 3>{2, 0, 0}));
}

TEST(Remote, KeepsAnAnswerNoLongerThanTheFarOneAllows) {
  const FakeServer server(resolve_it);
  Remote it(server.url());
  ASSERT_TRUE(it.asking.ask("77.88.55.60"));
  it.clock.forward(599s);
  ASSERT_TRUE(it.asking.ask("77.88.55.60"));
  EXPECT_EQ(server.seen().size(), 1U);
  it.clock.forward(2s);
  ASSERT_TRUE(it.asking.ask("77.88.55.60"));
  EXPECT_EQ(server.seen().size(), 2U);
}

TEST(Remote, ItsRefusalsAreAnswers) {
  for (const ErrorCode code : {ErrorCode::unknown_address, ErrorCode::reserved_address}) {
    const FakeServer server(answer_of(404, R"({"code":")" + std::string(name_of(code)) + R"("})",
                                      "Cache-Control: no-store\r\n", "application/problem+json"));
    Remote it(server.url());
    for (int i = 0; i < 20; ++i) EXPECT_EQ(code_of(it.asking.ask("10.0.0." + std::to_string(i))), code);
    EXPECT_EQ(it.asking.status().state, Breaker::State::closed);
    EXPECT_EQ(it.asking.status().calls, (std::array<std::uint64_t, 3>{0, 20, 0}));
  }
}

TEST(Remote, HopsEndCircles) {
  const FakeServer server(resolve_it);
  Remote it(server.url());
  ASSERT_TRUE(it.asking.ask("77.88.55.60", 10s, kHopsMax - 1));
  EXPECT_NE(server.seen()[0].head.find("Geo-Hops: 4\r\n"), std::string::npos);
  for (unsigned hops = kHopsMax; hops < kHopsMax + 9; ++hops)
    EXPECT_EQ(code_of(it.asking.ask("77.88.55.60", 10s, hops)), ErrorCode::upstream_unavailable);
  EXPECT_EQ(server.seen().size(), 1U);
  EXPECT_EQ(it.asking.status().state, Breaker::State::closed);
}

TEST(Remote, AnythingElseIsItsFailure) {
  const std::string good = resolved("192.0.2.1");
  const std::vector<std::pair<std::string, std::string>> answers{
      {answer_of(500, "{}"), "it answers with status 500"},
      {answer_of(302, good, "Location: /x\r\n"), "it answers with status 302"},
      {answer_of(204, ""), "it answers with status 204"},
      {answer_of(404, R"({"code":"no_such_path"})"), "its answer is not in the agreed form"},
      {answer_of(404, "not found", "", "text/plain"), "its answer is no JSON"},
      {answer_of(200, "<html>", "", "text/html"), "its answer is no JSON"},
      {answer_of(200, "<html>"), "its answer is no JSON"},
      {answer_of(200, good, "", "application/json; charset=koi8-r"), "its answer is no JSON"},
      {answer_of(200, resolved("192.0.2.2")), "its answer is not in the agreed form"},
      {answer_of(200, "\xcc\xee"), "its answer is no UTF-8"},
      {answer_of(200, std::string((1 << 20) + 1, ' ')), "its answer is too long"},
  };
  for (const auto& [bytes, why] : answers) {
    const FakeServer server(bytes);
    Remote it(server.url());
    const auto at = it.asking.ask("192.0.2.1");
    EXPECT_EQ(code_of(at), ErrorCode::upstream_unavailable) << why;
    EXPECT_EQ(at.error().detail, "remote cannot be asked at the moment");
    EXPECT_EQ(it.asking.status().last_error, why);
    EXPECT_EQ(it.asking.status().calls[2], 1U);
  }
}

TEST(Remote, PassesOnWhenToTryAgain) {
  const FakeServer server(answer_of(503, "{}", "Retry-After: 37\r\n"));
  Remote it(server.url());
  EXPECT_EQ(it.asking.ask("192.0.2.1").error().retry_after, 37s);
}

TEST(Remote, IsLeftAloneAfterFiveFailuresThenTriedOnce) {
  std::atomic<bool> well = false;
  const FakeServer server([&](const Peer& peer, const Seen& seen) {
    if (well) return resolve_it(peer, seen);
    peer.send(answer_of(500, ""));
  });
  Remote it(server.url());
  for (int i = 0; i < 9; ++i)
    EXPECT_EQ(code_of(it.asking.ask("192.0.2." + std::to_string(i))), ErrorCode::upstream_unavailable);
  EXPECT_EQ(server.seen().size(), 5U);
  EXPECT_EQ(it.asking.status().state, Breaker::State::open);
  EXPECT_GE(it.asking.ask("192.0.2.9").error().retry_after, 4s);
  it.clock.forward(5s);
  EXPECT_EQ(it.asking.status().state, Breaker::State::half_open);
  EXPECT_FALSE(it.asking.ask("192.0.2.1"));
  EXPECT_EQ(server.seen().size(), 6U);
  EXPECT_EQ(it.asking.status().state, Breaker::State::open);
  it.clock.forward(5s);
  well = true;
  EXPECT_TRUE(it.asking.ask("192.0.2.1"));
  EXPECT_EQ(it.asking.status().state, Breaker::State::closed);
}

TEST(Remote, EveryLoadEndsInTimeThoughMoreWaitThanCanBeAsked) {
  const FakeServer server([](const Peer& peer, const Seen&) { peer.drip("HTTP/1.1 200 OK\r\nX: x\r\n", 50ms); });
  Remote it(server.url());
  const auto before = steady_clock::now();
  std::vector<std::future<Asking::Answer>> answers;
  for (const std::string& ip : addresses(40))
    answers.push_back(std::async(std::launch::async, [&it, ip] { return it.asking.ask(ip, 300ms); }));
  for (auto& each : answers) EXPECT_EQ(code_of(each.get()), ErrorCode::upstream_unavailable);
  EXPECT_LT(steady_clock::now() - before, 3s);
}

TEST(Remote, TakesNoMoreThanItsQueueHolds) {
  const FakeServer server([](const Peer& peer, const Seen&) { peer.hang(); });
  Remote it(server.url());
  it.asking.begin(addresses(3000), 60s);
  EXPECT_EQ(it.asking.status().calls[2], 1000U) << "at once, while 2,000 wait";
  EXPECT_EQ(it.asking.status().last_error, "too many addresses are waiting for it");
}

TEST(Remote, ClosesThoughCallsHang) {
  const FakeServer server([](const Peer& peer, const Seen&) { peer.hang(); });
  ShiftedClock clock;
  std::weak_ptr<const resolve::Upstream> gone;
  const auto before = steady_clock::now();
  {
    auto upstream = remote({server.url()}, clock);
    gone = upstream;
    Asking asking(std::move(upstream), clock);
    asking.begin(addresses(100), 60s);
    while (server.seen().empty()) std::this_thread::yield();
  }
  EXPECT_TRUE(gone.expired());
  EXPECT_LT(steady_clock::now() - before, 5s);
}

TEST(Remote, AUrlThatIsNoneFailsEveryCall) {
  Remote it("nonsense");
  EXPECT_EQ(code_of(it.asking.ask("192.0.2.1")), ErrorCode::upstream_unavailable);
}

}  // namespace
}  // namespace geo::io::http
