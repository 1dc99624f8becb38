#include <gtest/gtest.h>

#include <atomic>
#include <thread>
#include <vector>

#include "geo/base/breaker.h"

namespace geo {
namespace {

using namespace std::chrono_literals;
using State = Breaker::State;

const MonotonicTime kNow{1000h};

void fail(Breaker& breaker, unsigned times, MonotonicTime now = kNow) {
  for (unsigned i = 0; i < times; ++i) {
    ASSERT_TRUE(breaker.admit(now));
    breaker.failed(now);
  }
}

TEST(Breaker, StaysClosedUnderFourFailuresInARow) {
  Breaker breaker;
  for (int round = 0; round < 3; ++round) {
    fail(breaker, 4);
    EXPECT_EQ(breaker.state(kNow), State::closed);
    EXPECT_EQ(breaker.wait(kNow), 0ms);
    breaker.succeeded();
  }
}

TEST(Breaker, IsClosedByACallThatNeededNoLeave) {
  Breaker breaker;
  fail(breaker, 5);
  breaker.recovered();
  EXPECT_EQ(breaker.state(kNow), State::closed);
  EXPECT_FALSE(breaker.is_failing());
  fail(breaker, 4);
  EXPECT_EQ(breaker.state(kNow), State::closed) << "it counts anew";
}

TEST(Breaker, OpensForFiveSecondsAfterFiveFailuresInARow) {
  Breaker breaker;
  fail(breaker, 5);
  EXPECT_EQ(breaker.state(kNow), State::open);
  EXPECT_EQ(breaker.wait(kNow), 5s);
  EXPECT_FALSE(breaker.admit(kNow));
  EXPECT_EQ(breaker.wait(kNow + 5s - 1us), 1ms) << "never 0 while it is open";
  EXPECT_FALSE(breaker.admit(kNow + 5s - 1us));
  EXPECT_EQ(breaker.state(kNow + 5s), State::half_open);
  EXPECT_EQ(breaker.wait(kNow + 5s), 0ms);
}

TEST(Breaker, LetsOneCallThroughAndClosesWhenItIsGood) {
  Breaker breaker;
  fail(breaker, 5);
  EXPECT_TRUE(breaker.admit(kNow + 5s));
  EXPECT_FALSE(breaker.admit(kNow + 5s));
  EXPECT_FALSE(breaker.admit(kNow + 9s));
  EXPECT_EQ(breaker.state(kNow + 9s), State::half_open);
  EXPECT_EQ(breaker.wait(kNow + 9s), 1s);
  breaker.succeeded();
  EXPECT_EQ(breaker.state(kNow + 9s), State::closed);
  fail(breaker, 4, kNow + 9s);
  EXPECT_TRUE(breaker.admit(kNow + 9s)) << "it counts from the start again";
}

TEST(Breaker, OpensAgainWhenTheOneCallIsBad) {
  Breaker breaker;
  fail(breaker, 5);
  EXPECT_TRUE(breaker.admit(kNow + 6s));
  breaker.failed(kNow + 7s);
  EXPECT_EQ(breaker.state(kNow + 7s), State::open);
  EXPECT_FALSE(breaker.admit(kNow + 12s - 1ms));
  EXPECT_TRUE(breaker.admit(kNow + 12s));
}

TEST(Breaker, TurnThatWasGivenBackIsTheNextCallersAtOnce) {
  Breaker breaker;
  fail(breaker, 5);
  EXPECT_TRUE(breaker.admit(kNow + 5s));
  breaker.returned();
  EXPECT_EQ(breaker.state(kNow + 5s), State::half_open);
  EXPECT_EQ(breaker.wait(kNow + 5s), 0ms);
  EXPECT_TRUE(breaker.admit(kNow + 5s));
  EXPECT_FALSE(breaker.admit(kNow + 5s));
}

TEST(Breaker, CallThatSaysNothingLeavesTheCount) {
  Breaker breaker;
  fail(breaker, 4);
  EXPECT_TRUE(breaker.admit(kNow));
  breaker.returned();
  EXPECT_EQ(breaker.state(kNow), State::closed);
  fail(breaker, 1);
  EXPECT_EQ(breaker.state(kNow), State::open);
}

TEST(Breaker, ProbeThatNeverReportsGivesItsTurnAway) {
  Breaker breaker;
  fail(breaker, 5);
  EXPECT_TRUE(breaker.admit(kNow + 5s));
  EXPECT_FALSE(breaker.admit(kNow + 10s - 1ms));
  EXPECT_TRUE(breaker.admit(kNow + 10s));
  EXPECT_FALSE(breaker.admit(kNow + 10s));
}

TEST(Breaker, LateReportsOfOlderCallsNeitherCloseNorProlongIt) {
  Breaker breaker;
  fail(breaker, 5);
  breaker.succeeded();
  EXPECT_EQ(breaker.state(kNow), State::open);
  breaker.failed(kNow + 4s);
  breaker.returned();
  EXPECT_FALSE(breaker.admit(kNow + 4s));
  EXPECT_TRUE(breaker.admit(kNow + 5s));
}

TEST(Breaker, OneOfManyThreadsGetsTheTurn) {
  Breaker breaker;
  fail(breaker, 5);
  std::atomic<int> admitted = 0;
  {
    std::vector<std::jthread> threads;
    for (int i = 0; i < 16; ++i) {
      threads.emplace_back([&] { admitted += breaker.admit(kNow + 5s) ? 1 : 0; });
    }
  }
  EXPECT_EQ(admitted, 1);
}

TEST(Breaker, StatesHaveTheirWireNames) {
  EXPECT_EQ(name_of(State::closed), "closed");
  EXPECT_EQ(name_of(State::open), "open");
  EXPECT_EQ(name_of(State::half_open), "half_open");
}

}  // namespace
}  // namespace geo
