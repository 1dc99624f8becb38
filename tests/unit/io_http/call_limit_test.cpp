#include "io/http/call_limit.h"

#include <gtest/gtest.h>

#include <random>
#include <vector>

namespace geo::io::http {
namespace {

using namespace std::chrono_literals;

constexpr MonotonicTime kStart{1h};

TEST(CallLimit, ThreeInAnyMinute) {
  CallLimit calls(3);
  for (const auto at : {0s, 10s, 20s}) {
    EXPECT_EQ(calls.next(kStart + at), kStart + at);
    calls.left(kStart + at);
    calls.came_back(kStart + at + 1s);
  }
  EXPECT_EQ(calls.next(kStart + 30s), kStart + 61s);
  EXPECT_EQ(calls.next(kStart + 61s), kStart + 61s);
  calls.left(kStart + 61s);
  EXPECT_EQ(calls.next(kStart + 62s), kStart + 71s);
}

TEST(CallLimit, CallsUnderWayCount) {
  CallLimit calls(2);
  calls.left(kStart);
  calls.left(kStart);
  EXPECT_EQ(calls.next(kStart + 100s), kStart + 160s) << "they may be counted at any time until they are back";
  calls.came_back(kStart + 100s);
  EXPECT_EQ(calls.next(kStart + 101s), kStart + 160s);
}

// Counted by the service's clock, anywhere between leaving and coming back.
TEST(CallLimit, NeverMoreInTheServicesMinuteEither) {
  std::mt19937 dice(7);
  CallLimit calls(15);
  std::vector<MonotonicTime> counted;
  struct Call {
    MonotonicTime back;
  };
  std::vector<Call> away;
  for (MonotonicTime now = kStart; now < kStart + 10min; now += 100ms) {
    std::erase_if(away, [&](const Call& call) {
      if (call.back > now) return false;
      calls.came_back(now);
      return true;
    });
    while (calls.next(now) <= now) {
      calls.left(now);
      const auto takes = std::chrono::milliseconds(dice() % 1500);
      counted.push_back(now + std::chrono::milliseconds(takes.count() == 0 ? 0 : dice() % takes.count()));
      away.push_back({now + takes});
    }
  }
  std::sort(counted.begin(), counted.end());
  EXPECT_GT(counted.size(), 130U);
  for (std::size_t i = 15; i < counted.size(); ++i) EXPECT_GE(counted[i] - counted[i - 15], 60s) << i;
}

TEST(CallLimit, NoneWhileTheServiceSaysNone) {
  CallLimit calls(45);
  calls.left(kStart);
  calls.came_back(kStart, "0", "37");
  EXPECT_EQ(calls.next(kStart + 1s), kStart + 37s);
  EXPECT_EQ(calls.next(kStart + 37s), kStart + 37s);
}

TEST(CallLimit, RefusedWithoutSayingForHowLongIsAMinute) {
  CallLimit calls({});
  calls.left(kStart);
  calls.came_back(kStart, {}, {}, true);
  EXPECT_EQ(calls.next(kStart), kStart + 60s);
}

TEST(CallLimit, AbsurdValuesDoNotStopItForGoodOrNotAtAll) {
  for (const auto& [ttl, until] : std::vector<std::pair<std::string_view, std::chrono::seconds>>{
           {"999999999999", 3600s}, {"0", 1s}, {"-5", 60s}, {"soon", 60s}, {"99999999999999999999999", 60s}}) {
    CallLimit calls(45);
    calls.left(kStart);
    calls.came_back(kStart, "0", ttl);
    EXPECT_EQ(calls.next(kStart), kStart + until) << ttl;
  }
  CallLimit calls(45);
  calls.left(kStart);
  calls.came_back(kStart, "many", "60");
  EXPECT_EQ(calls.next(kStart), kStart);
}

TEST(CallLimit, WhatTheServiceHasLeftIsSharedWithOthers) {
  CallLimit calls(45);
  for (int i = 0; i < 3; ++i) calls.left(kStart);
  calls.came_back(kStart, "4", "30");  // two of the four may be those that are under way
  calls.came_back(kStart);
  calls.came_back(kStart);
  for (int i = 0; i < 2; ++i) {
    EXPECT_EQ(calls.next(kStart), kStart);
    calls.left(kStart);
  }
  EXPECT_EQ(calls.next(kStart), kStart + 30s);
  EXPECT_EQ(calls.next(kStart + 30s), kStart + 30s) << "its next window";
}

TEST(CallLimit, TellsHowManyMayLeave) {
  CallLimit calls(3);
  EXPECT_EQ(calls.left_now(kStart), 3U);
  calls.left(kStart);
  EXPECT_EQ(calls.left_now(kStart), 2U) << "one that is under way counts";
  calls.came_back(kStart, "1", "30");
  EXPECT_EQ(calls.left_now(kStart), 1U) << "the service knows of others";
  EXPECT_EQ(calls.left_now(kStart + 30s), 2U);
  EXPECT_EQ(calls.left_now(kStart + 60s), 3U);
  for (int i = 0; i < 4; ++i) calls.left(kStart + 60s);
  EXPECT_EQ(calls.left_now(kStart + 60s), 0U) << "never below";
}

TEST(CallLimit, ALateAnswerOpensNothingThatWasClosed) {
  CallLimit calls(45);
  calls.left(kStart);
  calls.left(kStart);
  calls.came_back(kStart, "0", "30");
  calls.came_back(kStart, "7", "30");  // was counted before the other
  EXPECT_EQ(calls.next(kStart), kStart + 30s);
}

}  // namespace
}  // namespace geo::io::http
