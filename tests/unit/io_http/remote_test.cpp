#include <gtest/gtest.h>

#include <atomic>
#include <functional>
#include <future>
#include <set>

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

constexpr std::size_t kAtOnce = 32;  // calls
constexpr std::string_view kProblem = "application/problem+json";

std::string problem(ErrorCode code, std::string_view ip = {}) {
  std::string out;
  append_problem(out, {code, "x"}, "1", ip);
  return out;
}

// {"ips":["192.0.2.1",..]}
std::vector<std::string> asked_in(const std::string& body) {
  std::vector<std::string> ips;
  std::size_t at = body.find('[');
  while ((at = body.find('"', at)) != std::string::npos) {
    const std::size_t end = body.find('"', at + 1);
    ips.push_back(body.substr(at + 1, end - at - 1));
    at = end + 1;
  }
  return ips;
}

// A geo-resolver that keeps GETs waiting until it is let go: what is begun while it is busy has to wait.
// What it does is set before it is busy.
class Far {
 public:
  using Serve = FakeServer::Serve;

  std::function<std::string(const std::string& ip)> one_of_several = [](const std::string& ip) { return resolved(ip); };
  std::string headers;
  Serve get = resolve_it;
  Serve post = [this](const Peer& peer, const Seen& seen) { resolve_all(peer, seen); };

  void resolve_all(const Peer& peer, const Seen& seen) const {
    std::string body;
    for (const std::string& ip : asked_in(seen.body)) body += (body.empty() ? "" : ",") + one_of_several(ip);
    peer.send(answer_of(200, R"({"locations":[)" + body + "]}", headers));
  }

 private:
  std::atomic<bool> held_ = false;
  std::size_t rounds_ = 0;
  std::vector<std::string> busy_with_;

  void release() {
    held_ = false;
    held_.notify_all();
  }

 public:
  FakeServer server{[this](const Peer& peer, const Seen& seen) {
    if (seen.head[0] == 'P') return post(peer, seen);
    if (!held_) return get(peer, seen);
    held_.wait(true);
    resolve_it(peer, seen);
  }};
  Remote it{server.url()};

  ~Far() { release(); }
  // All of our connections are waiting for it.
  void busy() {
    held_ = true;
    const std::size_t before = server.seen().size();
    for (std::size_t i = 0; i < kAtOnce; ++i) {
      busy_with_.push_back("192.0." + std::to_string(rounds_) + "." + std::to_string(i));
      it.asking.begin({busy_with_.back()}, 60s);
      while (server.seen().size() <= before + i && it.asking.status().state == Breaker::State::closed)
        std::this_thread::yield();
    }
    ++rounds_;
  }
  std::vector<std::string> begin_after_busy(std::size_t count, const std::string& net = "198.51.100.") {
    busy();
    std::vector<std::string> ips;
    for (std::size_t i = 0; i < count; ++i) ips.push_back(net + std::to_string(i));
    it.asking.begin(ips, 60s);
    return ips;
  }
  // Returns when all that it was busy with has been answered.
  void let_go() {
    release();
    for (const std::string& ip : busy_with_) EXPECT_TRUE(it.asking.finish(ip)) << ip;
  }
  std::vector<Seen> posts() const {
    std::vector<Seen> out;
    for (const Seen& each : server.seen())
      if (each.head[0] == 'P') out.push_back(each);
    return out;
  }
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
  EXPECT_EQ(it.asking.status().calls, (Tally::Sums{2, 0, 0, 0}));
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
    EXPECT_EQ(it.asking.status().calls, (Tally::Sums{0, 20, 0, 0}));
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
  EXPECT_EQ(it.asking.status().calls, (Tally::Sums{1, 0, 0, 9}));
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

TEST(Remote, AProblemThatItTellsOfIsNotItsFailure) {
  for (const ErrorCode code :
       {ErrorCode::upstream_unavailable, ErrorCode::deadline_exceeded, ErrorCode::rate_limited}) {
    const FakeServer server(answer_of(row_of(code).http_status, problem(code), "Retry-After: 37\r\n", kProblem));
    Remote it(server.url());
    for (const std::string& ip : addresses(20)) {
      const auto at = it.asking.ask(ip);
      EXPECT_EQ(code_of(at), ErrorCode::upstream_unavailable);
      EXPECT_EQ(at.error().retry_after, 37s);
    }
    EXPECT_EQ(it.asking.status().state, Breaker::State::closed) << name_of(code);
    EXPECT_EQ(it.asking.status().calls, (Tally::Sums{0, 0, 20, 0}));
    EXPECT_EQ(it.asking.status().last_error, "it answers " + std::string(name_of(code)));
  }
}

TEST(Remote, AProblemThatIsNotTheContractsIsItsFailure) {
  for (const std::string& bytes : {
           answer_of(503, problem(ErrorCode::no_node), "", kProblem),
           answer_of(500, problem(ErrorCode::upstream_unavailable), "", kProblem),
           answer_of(500, problem(ErrorCode::internal), "", kProblem),
           answer_of(429, problem(ErrorCode::limit_exceeded), "", kProblem),
           answer_of(503, problem(ErrorCode::upstream_unavailable), "", "text/html"),
           answer_of(503, "upstream_unavailable", "", kProblem),
       }) {
    const FakeServer server(bytes);
    Remote it(server.url());
    for (const std::string& ip : addresses(5)) EXPECT_FALSE(it.asking.ask(ip));
    EXPECT_EQ(it.asking.status().state, Breaker::State::open) << bytes;
  }
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
  EXPECT_EQ(it.asking.status().calls, (Tally::Sums{0, 0, 5, 4})) << "what is held back is no call";
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
  EXPECT_LT(steady_clock::now() - before, 10s);
}

TEST(Remote, ItsSilenceIsItsFailure) {
  const FakeServer server([](const Peer& peer, const Seen&) { peer.hang(); });
  Remote it(server.url());
  const auto before = steady_clock::now();
  for (const std::string& ip : addresses(5)) EXPECT_FALSE(it.asking.ask(ip, 200ms));
  // the calls end a little after the loads
  while (it.asking.status().state == Breaker::State::closed && steady_clock::now() - before < 10s)
    std::this_thread::yield();
  EXPECT_EQ(it.asking.status().state, Breaker::State::open);
}

TEST(RemoteBatch, WhatHasToWaitGoesTogether) {
  Far far;
  const auto ips = far.begin_after_busy(150);
  far.let_go();
  for (const std::string& ip : ips) EXPECT_TRUE(far.it.asking.finish(ip)) << ip;
  const auto posts = far.posts();
  ASSERT_EQ(posts.size(), 2U) << "as many as there may be in one";
  std::multiset<std::size_t> sizes;
  for (const Seen& each : posts) {
    EXPECT_EQ(each.target(), "/resolve");
    for (const char* line : {"Content-Type: application/json\r\n", "Accept: application/json\r\n", "Geo-Hops: 1\r\n"})
      EXPECT_NE(each.head.find(line), std::string::npos) << each.head;
    EXPECT_EQ(each.body.substr(0, 9), R"({"ips":[")");
    sizes.insert(asked_in(each.body).size());
  }
  EXPECT_EQ(sizes, (std::multiset<std::size_t>{50, 100}));
  EXPECT_EQ(far.it.asking.status().calls, (Tally::Sums{kAtOnce + 150, 0, 0, 0}));
}

TEST(RemoteBatch, NoneButThoseOfTheSameHops) {
  Far far;
  const auto ips = far.begin_after_busy(7);
  far.it.asking.begin(ips, 60s, 2);
  far.let_go();
  for (const unsigned hops : {0U, 2U})
    for (const std::string& ip : ips) EXPECT_TRUE(far.it.asking.finish(ip, hops));
  const auto posts = far.posts();
  ASSERT_EQ(posts.size(), 2U);
  std::set<std::string> hops;
  for (const Seen& each : posts) {
    EXPECT_EQ(asked_in(each.body), ips);
    hops.insert(each.head.substr(each.head.find("Geo-Hops: "), 11));
  }
  EXPECT_EQ(hops, (std::set<std::string>{"Geo-Hops: 1", "Geo-Hops: 3"}));
}

TEST(RemoteBatch, EachAddressHasItsOwnAnswer) {
  Far far;
  far.one_of_several = [](const std::string& ip) {
    if (ip == "198.51.100.1") return problem(ErrorCode::unknown_address, ip);
    if (ip == "198.51.100.2") return problem(ErrorCode::reserved_address, ip);
    if (ip == "198.51.100.3") return problem(ErrorCode::upstream_unavailable, ip);
    if (ip == "198.51.100.4") return problem(ErrorCode::deadline_exceeded, ip);
    if (ip == "198.51.100.5") return std::string("{}");
    return resolved(ip);
  };
  far.headers = "Cache-Control: no-store\r\n";
  const auto ips = far.begin_after_busy(7);
  far.let_go();
  EXPECT_TRUE(far.it.asking.finish(ips[0]));
  EXPECT_EQ(code_of(far.it.asking.finish(ips[1])), ErrorCode::unknown_address);
  EXPECT_EQ(code_of(far.it.asking.finish(ips[2])), ErrorCode::reserved_address);
  for (std::size_t i = 3; i < 6; ++i)
    EXPECT_EQ(code_of(far.it.asking.finish(ips[i])), ErrorCode::upstream_unavailable) << ips[i];
  EXPECT_TRUE(far.it.asking.finish(ips[6]));
  EXPECT_EQ(far.it.asking.status().state, Breaker::State::closed);
  EXPECT_EQ(far.it.asking.status().calls, (Tally::Sums{kAtOnce + 2, 2, 3, 0}));
  const std::size_t before = far.server.seen().size();
  for (const std::size_t i : {0U, 1U, 2U, 6U}) (void)far.it.asking.ask(ips[i]);
  EXPECT_EQ(far.server.seen().size(), before) << "its no-store speaks of those that failed";
  EXPECT_TRUE(far.it.asking.ask(ips[3])) << "what failed is asked for again";
}

TEST(RemoteBatch, KeepsAnswersNoLongerThanTheFarOneAllows) {
  Far far;
  far.headers = "Cache-Control: private, max-age=600\r\n";
  const auto ips = far.begin_after_busy(2);
  far.let_go();
  for (const std::string& ip : ips) EXPECT_TRUE(far.it.asking.finish(ip));
  const std::size_t before = far.server.seen().size();
  far.it.clock.forward(599s);
  EXPECT_TRUE(far.it.asking.ask(ips[0]));
  EXPECT_EQ(far.server.seen().size(), before);
  far.it.clock.forward(2s);
  EXPECT_TRUE(far.it.asking.ask(ips[0]));
  EXPECT_EQ(far.server.seen().size(), before + 1);
}

TEST(RemoteBatch, OneThatTakesNoPostIsAskedForEachAlone) {
  for (const int status : {400, 404, 405, 501}) {
    Far far;
    far.post = [status](const Peer& peer, const Seen&) { peer.send(answer_of(status, "no", "", "text/plain")); };
    const auto ips = far.begin_after_busy(20);
    far.let_go();
    for (const std::string& ip : ips) EXPECT_TRUE(far.it.asking.finish(ip)) << ip;
    EXPECT_EQ(far.server.seen().size(), kAtOnce + 1 + 20) << status;
    const auto later = far.begin_after_busy(20, "203.0.113.");
    far.let_go();
    for (const std::string& ip : later) EXPECT_TRUE(far.it.asking.finish(ip)) << ip;
    EXPECT_EQ(far.posts().size(), 1U) << "that is remembered";
    EXPECT_EQ(far.it.asking.status().state, Breaker::State::closed);
  }
}

TEST(RemoteBatch, IsSentAgainWhereAKeptConnectionWasClosed) {
  Far far;
  std::atomic<int> posts = 0;
  far.post = [&](const Peer& peer, const Seen& seen) {
    if (posts++ == 0) return peer.close();
    far.resolve_all(peer, seen);
  };
  const auto ips = far.begin_after_busy(20);
  far.let_go();
  for (const std::string& ip : ips) EXPECT_TRUE(far.it.asking.finish(ip)) << ip;
  EXPECT_EQ(posts, 2);
}

TEST(RemoteBatch, OneThatIsNotInFormIsItsFailure) {
  Far far;
  std::atomic<bool> may = false;
  far.one_of_several = [](const std::string&) { return std::string("{}"); };
  far.post = [&](const Peer& peer, const Seen& seen) {
    may.wait(false);
    far.resolve_all(peer, seen);
  };
  far.get = [](const Peer& peer, const Seen&) { peer.send(answer_of(500, "")); };
  const auto ips = far.begin_after_busy(20);
  far.let_go();
  may = true;
  may.notify_all();
  for (const std::string& ip : ips) EXPECT_EQ(code_of(far.it.asking.finish(ip)), ErrorCode::upstream_unavailable);
  EXPECT_EQ(far.it.asking.status().last_error, "its answer is not in the agreed form");
  for (const std::string& ip : addresses(4)) EXPECT_FALSE(far.it.asking.ask(ip));
  EXPECT_EQ(far.it.asking.status().state, Breaker::State::open) << "with four more";
}

TEST(RemoteBatch, TimeThatWasSpentInOurQueueIsNotItsFailure) {
  Far far;
  far.post = [](const Peer& peer, const Seen&) { peer.send(answer_of(405, "")); };
  far.get = [](const Peer& peer, const Seen&) { peer.hang(); };
  far.busy();
  const auto ips = addresses(20);
  far.it.asking.begin(ips, 3s);
  far.it.clock.forward(2s);
  far.let_go();
  for (const std::string& ip : ips) EXPECT_EQ(code_of(far.it.asking.finish(ip)), ErrorCode::upstream_unavailable);
  EXPECT_EQ(far.server.seen().size(), kAtOnce + 1 + 20);
  far.busy();  // so all calls before have ended
  EXPECT_EQ(far.it.asking.status().state, Breaker::State::closed);
}

TEST(Remote, TakesNoMoreThanItsQueueHolds) {
  const FakeServer server([](const Peer& peer, const Seen&) { peer.hang(); });
  Remote it(server.url());
  it.asking.begin(addresses(3000), 60s);
  EXPECT_EQ(it.asking.status().calls[3], 1000U) << "at once, while 2,000 wait";
  EXPECT_EQ(it.asking.status().last_error, "too many are waiting for it");
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
