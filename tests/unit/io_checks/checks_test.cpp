#include "geo/io/checks.h"

#include <gtest/gtest.h>
#include <sys/resource.h>

#include <cstdlib>
#include <future>
#include <set>

#include "../io_http/fake_server.h"
#include "watching.h"

namespace geo::io::checks {
namespace {

using namespace std::chrono_literals;
using http::answer_of;
using http::FakeServer;
using http::Peer;
using http::Seen;

bool has_v6() {
  const int socket = ::socket(AF_INET6, SOCK_STREAM, 0);
  sockaddr_in6 address{};
  address.sin6_family = AF_INET6;
  address.sin6_addr = in6addr_loopback;
  const bool has = socket >= 0 && ::bind(socket, reinterpret_cast<sockaddr*>(&address), sizeof address) == 0;
  if (socket >= 0) ::close(socket);
  return has;
}

std::string port_of(const FakeServer& server) { return std::to_string(server.port()); }

TEST(CheckTarget, IsTheNodesOwnUrlElseThePathAtItsHost) {
  place::Node node;
  node.id = "n";
  node.host = "n.example.com";
  EXPECT_EQ(check_target(node, "/healthz"), (CheckTarget{"n", "https://n.example.com:443/healthz"}));
  node.ports = {.https = 0, .wss = 0, .http = 8080, .ws = 8080};
  EXPECT_EQ(check_target(node, "/healthz?deep=1"), (CheckTarget{"n", "http://n.example.com:8080/healthz?deep=1"}));
  node.host = "[2001:db8::1]";
  EXPECT_EQ(check_target(node, "/"), (CheckTarget{"n", "http://[2001:db8::1]:8080/"}));
  EXPECT_EQ(check_target(node, ""), std::nullopt);
  node.ports = {.https = 0, .wss = 0, .http = 0, .ws = 0};
  EXPECT_EQ(check_target(node, "/"), std::nullopt);
  node.check = "http://10.0.0.1:9000/up";
  EXPECT_EQ(check_target(node, ""), (CheckTarget{"n", "http://10.0.0.1:9000/up"}));
}

TEST(Checks, GetsTheUrlAndPassesA200) {
  const FakeServer server(answer_of(200, "ok", {}, "text/plain"));
  CheckSettings settings = often();
  settings.user_agent = "geod/1.2.3";
  const CheckResult result = check_once(server.url() + "/up?deep=1", settings);
  EXPECT_GT(result.took.count(), 0);
  EXPECT_EQ(result.id, "n");
  EXPECT_EQ(verdict(result), "passed");
  EXPECT_FALSE(result.report);
  const std::string head = server.seen().front().head;
  EXPECT_TRUE(head.starts_with("GET /up?deep=1 HTTP/1.1\r\n")) << head;
  EXPECT_NE(head.find("Host: 127.0.0.1:" + port_of(server) + "\r\n"), std::string::npos) << head;
  EXPECT_NE(head.find("User-Agent: geod/1.2.3\r\n"), std::string::npos) << head;
}

TEST(Checks, AReportInTheBodyIsTold) {
  const FakeServer server(answer_of(200, R"({"sessions":12,"load":0.25})"));
  const WallTime before = SystemClock().wall();
  const CheckResult result = check_once(server.url());
  ASSERT_TRUE(result.report);
  EXPECT_EQ(result.report->id, "n");
  EXPECT_EQ(result.report->sessions, 12);
  EXPECT_EQ(result.report->load, 0.25);
  EXPECT_GE(result.report->seen_at, before);
  EXPECT_LE(result.report->seen_at, SystemClock().wall());
}

TEST(Checks, ABodyThatIsTooLongPassesUnread) {
  const FakeServer server(answer_of(200, R"({"sessions":12,"x":")" + std::string(kBodyMax, 'x') + R"("})"));
  const CheckResult result = check_once(server.url());
  EXPECT_EQ(verdict(result), "passed");
  EXPECT_FALSE(result.report);
}

TEST(Checks, ABodyWithoutAnEndPasses) {
  const FakeServer server([](const Peer& peer, const Seen&) {
    peer.send("HTTP/1.1 200 OK\r\n\r\n");
    for (std::size_t sent = 0; sent <= 2 * kBodyMax; sent += 1000) peer.send(std::string(1000, 'x'));
    peer.hang();
  });
  EXPECT_EQ(verdict(check_once(server.url())), "passed");
}

TEST(Checks, ConnectionsAreKeptBetweenChecks) {
  const FakeServer server(answer_of(200, "ok"));
  Watching watching(often());
  watching.watch({{"n", server.url()}});
  watching.until([](const auto& all) { return all.size() >= 5; });
  EXPECT_EQ(server.connections(), 1U);
}

TEST(Checks, WithoutRoomForKeptConnectionsEachCheckHasItsOwn) {
  const FakeServer server(answer_of(200, "ok"));
  CheckSettings settings = often();
  settings.connections_max = settings.most_at_once = 4;
  Watching watching(settings);
  watching.watch({{"n", server.url()}});
  const auto all = watching.until([](const auto& results) { return results.size() >= 3; });
  EXPECT_GE(server.connections(), all.size());
  EXPECT_EQ(verdict(all.back()), "passed");
}

TEST(Checks, AConnectionThatTheNodeHasClosedIsNoFailure) {
  const FakeServer server([](const Peer& peer, const Seen&) {
    peer.send(answer_of(200, "ok"));
    peer.close();
  });
  Watching watching(often());
  watching.watch({{"n", server.url()}});
  for (const CheckResult& each : watching.until([](const auto& all) { return all.size() >= 5; }))
    EXPECT_EQ(verdict(each), "passed");
}

TEST(Checks, RedirectsAreNotFollowed) {
  const FakeServer other(answer_of(200, "ok"));
  const FakeServer server(answer_of(302, "", "Location: " + other.url() + "/\r\n"));
  EXPECT_EQ(verdict(check_once(server.url())), "it answered with status 302");
  EXPECT_TRUE(other.seen().empty());
}

TEST(Checks, AUrlsPasswordIsSentAndNotTold) {
  const FakeServer server(answer_of(401, ""));
  const CheckResult result = check_once("http://u:hush@127.0.0.1:" + port_of(server) + "/");
  EXPECT_EQ(verdict(result), "it answered with status 401");
  EXPECT_NE(server.seen().front().head.find("Authorization: Basic dTpodXNo\r\n"), std::string::npos);
}

TEST(Checks, ProxiesOfTheEnvironmentAreNotUsed) {
  ::setenv("http_proxy", "http://127.0.0.1:1", 1);
  ::setenv("ALL_PROXY", "http://127.0.0.1:1", 1);
  const FakeServer server(answer_of(200, "ok"));
  EXPECT_EQ(verdict(check_once(server.url())), "passed");
  ::unsetenv("http_proxy");
  ::unsetenv("ALL_PROXY");
}

TEST(Checks, OtherProtocolsAndWhatIsNoUrlCannotBeUsed) {
  for (const char* url :
       {"", "file:///etc/passwd", "ftp://127.0.0.1/", "http://", "http://127.0.0.1:99999/", "http://[::1"})
    EXPECT_EQ(verdict(check_once(url)), "its URL cannot be used") << url;
}

TEST(Checks, ANameIsLookedUpOnceAndItsHostIsAskedByThatName) {
  std::atomic<int> look_ups{0};
  const FakeServer server(answer_of(200, "ok"));
  Watching watching(often(), [&](const std::string& host) {
    ++look_ups;
    return Found{.addresses = host == "node.test" ? "127.0.0.1" : "", .why = "?"};
  });
  watching.watch({{"n", "http://node.test:" + port_of(server) + "/"}});
  for (const CheckResult& each : watching.until([](const auto& all) { return all.size() >= 5; }))
    EXPECT_EQ(verdict(each), "passed");
  EXPECT_EQ(look_ups, 1);
  EXPECT_NE(server.seen().front().head.find("Host: node.test:" + port_of(server)), std::string::npos);
}

// Whatever libcurl does not find among what it was told, it would look up itself.
TEST(Checks, NamesAreFoundHoweverTheyAreWritten) {
  const FakeServer server(answer_of(200, "ok"));
  for (const char* host : {"NODE.test", "node.test.", "localhost", "no_de.test", "u:p@node.test"})
    EXPECT_EQ(
        verdict(check_once("http://" + std::string(host) + ":" + port_of(server) + "/", often(), always("127.0.0.1"))),
        "passed")
        << host;
}

TEST(Checks, AHostThatMovedIsCheckedAtItsNewAddress) {
  const FakeServer server(answer_of(200, "ok"));
  const std::vector<CheckTarget> moving{{"n", "http://node.test:" + port_of(server) + "/"}};
  std::atomic<bool> moved{false};
  Watching watching(
      often(), [&](const std::string&) { return Found{.addresses = moved ? "127.0.0.1" : "127.0.0.2", .why = {}}; });
  watching.watch(moving);
  EXPECT_EQ(verdict(watching.first()), "it refused the connection");
  moved = true;
  watching.watch({{"other", server.url()}});  // and with it the last node of that name has gone
  watching.until([](const auto& all) { return Watching::count(all, "other") == 1; });
  watching.watch(moving);
  watching.until([](const auto& all) { return all.back().id == "n" && verdict(all.back()) == "passed"; });
}

TEST(Checks, NodesOnIPv6AreChecked) {
  if (!has_v6()) GTEST_SKIP() << "there is no ::1 here";
  const FakeServer server([](const Peer& peer, const Seen&) { peer.send(answer_of(200, "ok")); }, AF_INET6);
  EXPECT_EQ(verdict(check_once(server.url())), "passed");
  EXPECT_NE(server.seen().front().head.find("Host: [::1]:" + port_of(server)), std::string::npos);
  EXPECT_EQ(verdict(check_once("http://node.test:" + port_of(server), often(), always("127.0.0.1,[::1]"))), "passed");
}

TEST(Checks, AHostWithSeveralAddressesIsCheckedAtOneThatAnswers) {
  const FakeServer server(answer_of(200, "ok"));
  const std::string url = "http://node.test:" + port_of(server);
  EXPECT_EQ(verdict(check_once(url, often(), always("127.0.0.2,127.0.0.1"))), "passed");
  EXPECT_EQ(verdict(check_once(url, often(), always("[::1],127.0.0.1"))), "passed");
}

TEST(Checks, AHostWhoseIPv6IsSilentIsCheckedOverIPv4) {
  if (!has_v6()) GTEST_SKIP() << "there is no ::1 here";
  const FakeServer server(answer_of(200, "ok"));
  const test::Silent silent(AF_INET6, server.port());
  EXPECT_EQ(verdict(check_once("http://node.test:" + port_of(server), often(), always("[::1],127.0.0.1"))), "passed");
}

TEST(Checks, AnEndlessLookUpFailsInTimeAndHoldsUpNobodyElse) {
  std::promise<void> end;
  const FakeServer server(answer_of(200, "ok"));
  Watching watching(impatient(), [held = end.get_future().share()](const std::string&) {
    held.wait();
    return Found{};
  });
  watching.watch({{"stuck", "http://node.test/"}, {"good", server.url()}});
  const auto all = watching.until([](const auto& results) {
    return Watching::count(results, "stuck") >= 2 && Watching::count(results, "good") >= 5;
  });
  for (const CheckResult& each : all)
    EXPECT_EQ(verdict(each), each.id == "good" ? "passed" : "its name was not resolved in time");
  end.set_value();
}

TEST(Checks, AtMostSoManyAreUnderWayAndNobodyIsDropped) {
  constexpr int kAtOnce = 4, kNodes = 30;
  std::mutex mutex;
  std::condition_variable change;
  int now = 0, most = 0;
  bool open = false;
  const FakeServer server([&](const Peer& peer, const Seen&) {
    std::unique_lock lock(mutex);
    most = std::max(most, ++now);
    change.notify_all();
    change.wait(lock, [&] { return open; });
    --now;
    peer.send(answer_of(200, "ok"));
  });
  CheckSettings settings = often();
  settings.most_at_once = kAtOnce;
  Watching watching(settings);
  std::vector<CheckTarget> nodes;
  for (int i = 0; i < kNodes; ++i) nodes.push_back({std::to_string(i), server.url()});
  watching.watch(nodes);
  {
    std::unique_lock lock(mutex);
    change.wait(lock, [&] { return now == kAtOnce; });
    open = true;
    change.notify_all();
  }
  watching.until([](const auto& results) {
    std::set<std::string> ids;
    for (const CheckResult& each : results) ids.insert(each.id);
    return ids.size() == kNodes;
  });
  const std::lock_guard lock(mutex);
  EXPECT_EQ(most, kAtOnce);
}

// Happens once.
class Event {
 public:
  void come() {
    here_ = true;
    here_.notify_all();
  }
  void wait() const { here_.wait(false); }

 private:
  std::atomic<bool> here_{false};
};

TEST(Checks, WhileThisSideIsBusyNobodysTimeRunsOut) {
  Event second_asked, busy_no_more;
  const FakeServer first([&](const Peer& peer, const Seen&) {
    second_asked.wait();
    peer.send(answer_of(200, "ok"));
  });
  const FakeServer second([&](const Peer& peer, const Seen&) {
    second_asked.come();
    busy_no_more.wait();
    peer.send(answer_of(200, "ok"));
  });
  CheckSettings settings = often();
  settings.timeout = 1s;
  std::mutex mutex;
  std::condition_variable change;
  std::string of_second;
  const SystemClock clock;
  Loop loop(
      settings, clock,
      [&, was_busy = false](const CheckResult& result) mutable {
        if (result.id == "second") {
          const std::lock_guard lock(mutex);
          if (of_second.empty()) of_second = verdict(result);
          return change.notify_all();
        }
        if (std::exchange(was_busy, true)) return;
        std::this_thread::sleep_for(settings.timeout * 6 / 5);  // it is this that is tried
        busy_no_more.come();
      },
      look_up);
  loop.watch({{"first", first.url()}, {"second", second.url()}});
  std::unique_lock lock(mutex);
  change.wait(lock, [&] { return !of_second.empty(); });
  EXPECT_EQ(of_second, "passed");
}

TEST(Checks, WhoIsNoLongerWatchedIsNoLongerToldOf) {
  const FakeServer server(answer_of(200, "ok"));
  Watching watching(often());
  watching.watch({{"a", server.url()}});
  watching.first();
  watching.watch({{"b", server.url()}});
  const auto with_b = watching.until([](const auto& all) { return Watching::count(all, "b") >= 1; });
  const auto later = watching.until([](const auto& all) { return Watching::count(all, "b") >= 5; });
  EXPECT_EQ(Watching::count(with_b, "a"), Watching::count(later, "a"));
}

TEST(Checks, ForWantOfDescriptorsACheckIsNotMade) {
  const test::Loopback closed = test::listen_on_loopback(1);
  ::close(closed.socket);
  Watching watching(often());
  rlimit limit{};
  ::getrlimit(RLIMIT_NOFILE, &limit);
  const int next = ::dup(0);  // the lowest that is free
  ::close(next);
  const rlimit none{static_cast<rlim_t>(next), limit.rlim_max};
  ::setrlimit(RLIMIT_NOFILE, &none);
  watching.watch({{"n", "http://127.0.0.1:" + std::to_string(closed.port())}});
  EXPECT_EQ(verdict(watching.first()), "not made: no socket could be opened here");
  ::setrlimit(RLIMIT_NOFILE, &limit);
  watching.until([](const auto& all) { return verdict(all.back()) == "it refused the connection"; });
}

TEST(Checks, EndsWhileChecksAreUnderWay) {
  std::promise<void> asked;
  const FakeServer server([&, first = true](const Peer& peer, const Seen&) mutable {
    if (std::exchange(first, false)) asked.set_value();
    peer.hang();
  });
  SystemClock clock;
  CheckSettings settings = often();
  settings.timeout = 1h;
  {
    Checks checks(settings, clock, [](const CheckResult&) { ADD_FAILURE() << "nothing ended"; });
    checks.watch({{"n", server.url()}});
    asked.get_future().wait();
  }
}

}  // namespace
}  // namespace geo::io::checks
