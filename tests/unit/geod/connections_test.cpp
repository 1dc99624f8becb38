#include <gtest/gtest.h>

#include "front.h"

namespace geod {
namespace {

using std::chrono::seconds;

// Sweeps as geod does, by a clock of the test's own.
class Sweeps {
 public:
  explicit Sweeps(test::Front& front) : front_(front) {}
  // `step` after the one before.
  void once(seconds step, bool drop_idle = false) { front_.listener().sweep({now_ += step, seconds(10), drop_idle}); }
  // Over and over: the loop may still be about to finish the request before.
  bool until_closed(test::Client& client, seconds step, bool drop_idle = false) {
    for (int i = 0; i < 2000; ++i) {
      once(step, drop_idle);
      if (client.closed_within(std::chrono::milliseconds(10))) return true;
    }
    return false;
  }

 private:
  test::Front& front_;
  geo::MonotonicTime now_ = geo::io::SystemClock().monotonic();
};

constexpr std::string_view kRequest = "GET /flv HTTP/1.1\r\nHost: a\r\n\r\n";

// Clients that ask without pause, and one that asks once.
TEST(Connections, TakeTurnsHoweverMuchOneAsks) {
  std::atomic<bool> held{false}, go{false};
  std::atomic<int> answered{0}, before_the_other{0};
  test::Front front([&](Exchange& exchange) {
    if (exchange.in.path == "/hold") {
      held = true;
      held.notify_one();
      go.wait(false);
    }
    if (exchange.in.path == "/other") before_the_other = answered.load();
    ++answered;
    test::FakeHandler::echo(exchange);
    return true;
  });
  test::Client first = front.connect(), greedy = front.connect(), other = front.connect();
  first.send("GET /hold HTTP/1.1\r\nHost: a\r\n\r\n");
  held.wait(false);
  std::string many;
  for (int i = 0; i < 1000; ++i) many += kRequest;
  greedy.send(many);
  other.send("GET /other HTTP/1.1\r\nHost: a\r\n\r\n");
  go = true;
  go.notify_one();
  EXPECT_EQ(other.read().status, 200);
  EXPECT_LT(before_the_other.load(), 300);
  for (int i = 0; i < 1000; ++i) ASSERT_EQ(greedy.read().status, 200) << i;
}

TEST(Connections, HeaderThatIsNotCompleteInTimeEndsTheConnection) {
  test::Front front;
  Sweeps sweeps(front);
  test::Client client = front.connect();
  ASSERT_EQ(client.send(kRequest).read().status, 200);
  client.send("GET /flv HTTP/1.1\r\n");
  EXPECT_TRUE(sweeps.until_closed(client, seconds(6)));
}

TEST(Connections, DripFedHeaderEndsAllTheSame) {
  test::Front front;
  Sweeps sweeps(front);
  test::Client client = front.connect();
  ASSERT_EQ(client.send(kRequest).read().status, 200);
  client.send("GET ");
  bool closed = false;
  for (int i = 0; i < 2000 && !closed; ++i) {
    client.send("x");
    sweeps.once(seconds(6));
    closed = client.closed_within(std::chrono::milliseconds(10));
  }
  EXPECT_TRUE(closed);
}

TEST(Connections, DripFedBodyEndsAllTheSame) {
  test::Front front([] { return std::make_unique<test::FakeHandler>(nullptr, nullptr, 100'000); });
  Sweeps sweeps(front);
  for (const std::string_view rest : {"Content-Length: 100000\r\n\r\n", "Transfer-Encoding: chunked\r\n\r\n"}) {
    test::Client client = front.connect();
    client.send("POST /p HTTP/1.1\r\nHost: a\r\n").send(rest);
    bool closed = false;
    for (int i = 0; i < 2000 && !closed; ++i) {
      client.send("1\r\nx\r\n");
      sweeps.once(seconds(6));
      closed = client.closed_within(std::chrono::milliseconds(10));
    }
    EXPECT_TRUE(closed);
  }
}

TEST(Connections, IdleConnectionAfterABodyIsNobodysSlowRequest) {
  test::Front front([] { return std::make_unique<test::FakeHandler>(nullptr, nullptr, 100); });
  Sweeps sweeps(front);
  test::Client client = front.connect();
  for (int i = 0; i < 2; ++i) {
    ASSERT_EQ(client.send("POST /p HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhello").read().status, 200);
    for (int sweep = 0; sweep < 4; ++sweep) sweeps.once(seconds(6));
  }
  EXPECT_EQ(client.send(kRequest).read().status, 200);
}

TEST(Connections, IdleConnectionIsNobodysSlowHeader) {
  test::Front front;
  Sweeps sweeps(front);
  test::Client client = front.connect();
  for (int i = 0; i < 2; ++i) {
    ASSERT_EQ(client.send(kRequest).read().status, 200);
    for (int sweep = 0; sweep < 4; ++sweep) sweeps.once(seconds(6));
  }
  EXPECT_EQ(client.send(kRequest).read().status, 200);
}

TEST(Connections, DrainingDropsTheIdleAndSparesWhatHasBegun) {
  test::Front front;
  Sweeps sweeps(front);
  test::Client idle = front.connect(), begun = front.connect();
  for (test::Client* client : {&idle, &begun}) ASSERT_EQ(client->send(kRequest).read().status, 200);
  begun.send(kRequest.substr(0, 3));
  EXPECT_TRUE(sweeps.until_closed(idle, seconds(2), true));
  EXPECT_EQ(begun.send(kRequest.substr(3)).read().status, 200);
}

TEST(Connections, PeerThatHasEndedIsClosed) {
  test::Front front;
  Sweeps sweeps(front);
  test::Client client = front.connect();
  ASSERT_EQ(client.send(kRequest).end().read().status, 200);
  EXPECT_TRUE(sweeps.until_closed(client, seconds(0)));
}

}  // namespace
}  // namespace geod
