#include "listener.h"

#include <gtest/gtest.h>

#include <latch>
#include <semaphore>

#include "front.h"
#include "scratch.h"

namespace geod {
namespace {

constexpr std::string_view kWait = "GET /wait HTTP/1.1\r\nHost: a\r\n\r\n";
constexpr std::string_view kNow = "GET /now HTTP/1.1\r\nHost: a\r\n\r\n";

// "/wait" has to wait; everything else is answered at once.
bool wait_for_wait(Exchange& exchange) {
  if (exchange.in.path == "/wait") return false;
  test::FakeHandler::echo(exchange);
  return true;
}

TEST(Listener, RequestThatWaitsHoldsUpNobodyElse) {
  std::latch upstream(1);
  test::Front front(wait_for_wait, [&](Exchange& exchange) {
    upstream.wait();
    test::FakeHandler::echo(exchange);
  });
  test::Client waiting = front.connect(), other = front.connect();
  waiting.send(kWait);
  for (int i = 0; i < 10; ++i) EXPECT_EQ(other.send(kNow).read().body, "GET a /now?");
  upstream.count_down();
  EXPECT_EQ(waiting.read().body, "GET a /wait?");
  EXPECT_EQ(waiting.send(kNow).read().body, "GET a /now?");
}

TEST(Listener, PipelineAroundARequestThatWaitsKeepsItsOrder) {
  test::Front front(wait_for_wait, test::FakeHandler::echo);
  test::Client client = front.connect();
  std::string pipeline;
  for (int i = 0; i < 20; ++i) pipeline.append(kNow).append(kWait);
  client.send(pipeline);
  for (int i = 0; i < 20; ++i) {
    EXPECT_EQ(client.read().body, "GET a /now?");
    EXPECT_EQ(client.read().body, "GET a /wait?");
  }
}

TEST(Listener, ClientThatEndedItsStreamWhileItWaitsIsAnswered) {
  std::latch upstream(1);
  test::Front front(wait_for_wait, [&](Exchange& exchange) {
    upstream.wait();
    test::FakeHandler::echo(exchange);
  });
  test::Client client = front.connect();
  client.send(kWait).end();
  upstream.count_down();
  EXPECT_EQ(client.read().status, 200);
}

TEST(Listener, ClientThatLeavesWhileItWaitsDoesNoHarm) {
  std::latch seen(1), upstream(1), answered(1);
  test::Front front(
      [&](Exchange& exchange) {
        if (exchange.in.path == "/wait") seen.count_down();
        return wait_for_wait(exchange);
      },
      [&](Exchange& exchange) {
        upstream.wait();
        test::FakeHandler::echo(exchange);
        answered.count_down();
      });
  {
    test::Client client = front.connect();
    client.send(kWait);
    seen.wait();
  }
  upstream.count_down();
  answered.wait();
  EXPECT_EQ(front.connect().send(kNow).read().status, 200);
}

TEST(Listener, TooManyThatWaitAreToldToComeBack) {
  std::latch upstream(1);
  std::counting_semaphore<> seen(0), working(0);
  test::Front front(
      [&](Exchange&) {
        seen.release();  // what is sent after this is handled after this
        return false;
      },
      [&](Exchange& exchange) {
        working.release();
        upstream.wait();
        test::FakeHandler::echo(exchange);
      },
      1);
  // Two workers, room for one more.
  test::Client first = front.connect(), second = front.connect(), third = front.connect(), fourth = front.connect();
  for (test::Client* client : {&first, &second}) {
    client->send(kWait);
    working.acquire();
  }
  third.send(kWait);
  for (int i = 0; i < 3; ++i) seen.acquire();
  const test::Reply refused = fourth.send(kWait).read();
  EXPECT_EQ(refused.status, 503);
  EXPECT_EQ(refused.header("retry-after"), "1");
  EXPECT_NE(refused.body.find("upstream_unavailable"), std::string::npos);
  upstream.count_down();
  for (test::Client* client : {&first, &second, &third}) EXPECT_EQ(client->read().status, 200);
}

TEST(Listener, ExceptionIsOneRequestsTrouble) {
  const auto fail = [](Exchange&) -> void { throw std::runtime_error("secret inside"); };
  test::Front front(
      [&](Exchange& exchange) {
        if (exchange.in.path == "/throw") fail(exchange);
        return wait_for_wait(exchange);
      },
      fail);
  test::Client client = front.connect();
  for (const std::string_view request : {std::string_view("GET /throw HTTP/1.1\r\nHost: a\r\n\r\n"), kWait}) {
    const test::Reply reply = client.send(request).read();
    EXPECT_EQ(reply.status, 500);
    EXPECT_EQ(reply.body.find("secret"), std::string::npos);
  }
  EXPECT_EQ(client.send(kNow).read().status, 200);
}

TEST(Listener, EveryRequestHasItsLine) {
  const geo::test::Scratch scratch;
  auto log = AccessLog::open("access.log", scratch / "access.log");
  ASSERT_TRUE(log) << log.error();
  {
    test::Front front(wait_for_wait, test::FakeHandler::echo, 8, log->get());
    test::Client client = front.connect();
    for (const std::string_view request : {kNow, kWait, std::string_view("GET x HTTP/1.1\r\nHost: a\r\n\r\n")})
      EXPECT_NE(client.send(request).read().status, 0);
  }
  EXPECT_TRUE((*log)->stop(std::chrono::steady_clock::now() + std::chrono::seconds(20)));
  std::ifstream in(scratch / "access.log");
  std::vector<std::string> codes;
  for (std::string line; std::getline(in, line);)
    codes.push_back(line.find(R"("code":"ok")") != std::string::npos            ? "ok"
                    : line.find(R"("code":"bad_request")") != std::string::npos ? "bad_request"
                                                                                : line);
  EXPECT_EQ(codes, (std::vector<std::string>{"ok", "ok", "bad_request"}));
}

TEST(Listener, DrainingAnswersAndCloses) {
  test::Front front;
  test::Client client = front.connect();
  const test::Reply before = client.send(kNow).read();
  EXPECT_EQ(before.header("connection"), "");
  front.drain();
  const test::Reply after = client.send(kNow).read();
  EXPECT_EQ(after.status, 200);
  EXPECT_EQ(after.header("connection"), "close");
  EXPECT_TRUE(client.closed());
}

TEST(Listener, QuiescedTakesInWhoIsAtTheDoorAndNobodyMore) {
  test::Front front;
  test::Client before = front.connect();
  before.send(kNow);
  front.listener().quiesce();
  EXPECT_EQ(before.read().status, 200);
  EXPECT_THROW(front.connect(), std::runtime_error);
}

TEST(Listener, QuiescedLeavesAPassedSocketToTheNext) {
  auto bound = listen_on(*parse_address("127.0.0.1:0"), 1);
  ASSERT_TRUE(bound) << bound.error();
  const auto passed = [&] { return PassedSocket{Fd(::dup(bound->sockets.front().get())), bound->address}; };
  test::Front first(passed());
  test::Client early = first.connect();
  EXPECT_EQ(early.send(kNow).read().status, 200);
  first.listener().quiesce();
  test::Client late = first.connect();
  late.send(kNow);
  EXPECT_EQ(early.send(kNow).read().status, 200);
  test::Front second(passed());
  EXPECT_EQ(late.read().status, 200);
}

TEST(Listener, IsAwakeOnceItsLoopsHaveBeenRound) {
  std::latch inside(1), held(1);
  test::Front front([&](Exchange& exchange) {
    if (exchange.in.path == "/wait") {
      inside.count_down();
      held.wait();
    }
    test::FakeHandler::echo(exchange);
    return true;
  });
  EXPECT_TRUE(front.listener().is_awake());
  test::Client client = front.connect();
  client.send(kWait);
  inside.wait();
  front.listener().wake();
  EXPECT_FALSE(front.listener().is_awake());
  held.count_down();
  EXPECT_EQ(client.read().status, 200);
  for (int i = 0; i < 2000 && !front.listener().is_awake(); ++i)
    EXPECT_EQ(client.send(kNow).read().status, 200);  // the loop goes on
  EXPECT_TRUE(front.listener().is_awake());
}

// Far more than a socket holds.
bool answer_large(Exchange& exchange) {
  if (exchange.in.path == "/wait") return false;
  test::FakeHandler::echo(exchange);
  if (exchange.in.path == "/large") exchange.out.body.assign(8'000'000, 'l');
  return true;
}
constexpr std::string_view kLarge = "GET /large HTTP/1.1\r\nHost: a\r\n\r\n";

TEST(Listener, ClientThatReadsSlowlyHoldsUpNobodyAndGetsAll) {
  test::Front front(answer_large, test::FakeHandler::echo);
  test::Client slow = front.connect(), other = front.connect();
  slow.send(kLarge).send(kNow).send(kLarge).send(kWait).send(kNow);
  for (int i = 0; i < 10; ++i) EXPECT_EQ(other.send(kNow).read().body, "GET a /now?");
  EXPECT_EQ(slow.read().body.size(), 8'000'000U);
  EXPECT_EQ(slow.read().body, "GET a /now?");
  EXPECT_EQ(slow.read().body.size(), 8'000'000U);
  EXPECT_EQ(slow.read().body, "GET a /wait?");
  EXPECT_EQ(slow.read().body, "GET a /now?");
}

TEST(Listener, AnswersOfAPipelineKeepTheirOrderAroundAWorkerWhileTheClientDoesNotRead) {
  std::latch upstream(1);
  test::Front front(answer_large, [&](Exchange& exchange) {
    upstream.wait();
    test::FakeHandler::echo(exchange);
  });
  test::Client client = front.connect();
  client.send(std::string(kNow) + std::string(kWait) + std::string(kLarge) + std::string(kWait));
  EXPECT_EQ(client.read().body, "GET a /now?") << "before the one that waits";
  upstream.count_down();
  EXPECT_EQ(client.read().body, "GET a /wait?");
  EXPECT_EQ(client.read().body.size(), 8'000'000U);
  EXPECT_EQ(client.read().body, "GET a /wait?");
}

TEST(Listener, ClientThatTakesNothingIsClosed) {
  test::Front front(answer_large, test::FakeHandler::echo);
  test::Client client = front.connect();
  client.send(kLarge);
  EXPECT_EQ(front.connect().send(kNow).read().status, 200);
  geo::MonotonicTime now = geo::io::SystemClock().monotonic();
  const auto open = [&] { return front.listener().occupancy().open.load(); };
  for (int i = 0; i < 2000 && open() > 0; ++i) {
    front.listener().sweep({now += std::chrono::seconds(61), std::chrono::hours(1), false});
    front.connect().send(kNow).read();
  }
  EXPECT_THROW(client.read(), std::runtime_error) << "closed in the middle of a body";
}

TEST(Listener, MoreConnectionsThanThereMayBeWait) {
  test::Front front;
  std::vector<test::Client> clients;
  for (int i = 0; i < 100; ++i) clients.push_back(front.connect());
  EXPECT_EQ(clients.back().send(kNow).read().status, 200);
  test::Client late = front.connect();  // by the kernel
  late.send(kNow);
  EXPECT_FALSE(late.closed_within(std::chrono::milliseconds(50)));
  EXPECT_EQ(clients.front().send(kNow).read().status, 200);
  clients.pop_back();
  EXPECT_EQ(late.read().status, 200);
}

TEST(Listener, HeadHasTheHeadersAndNoBody) {
  test::Front front;
  test::Client client = front.connect();
  const test::Reply head = client.send("HEAD /now HTTP/1.1\r\nHost: a\r\n\r\n").read(false);
  EXPECT_EQ(head.header("content-length"), "12");
  EXPECT_EQ(client.send(kNow).read().body, "GET a /now?");
}

TEST(Listener, AnswerHeaderAsLongAsAWholeEncodedTokenFits) {
  const std::string location(16'000, 'l');
  test::Front front([&](Exchange& exchange) {
    exchange.out.status = 302;
    exchange.out.header("Location", location);
    exchange.entry.code = Code::redirect;
    return true;
  });
  test::Client client = front.connect();
  const std::string request = "GET /flv?access_token=" + std::string(4096 * 3, 'q') + " HTTP/1.1\r\nHost: a\r\n\r\n";
  for (int i = 0; i < 2; ++i) EXPECT_EQ(client.send(request).read().header("location"), location);
}

}  // namespace
}  // namespace geod
