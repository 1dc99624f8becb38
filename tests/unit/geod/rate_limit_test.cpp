// Who may ask how often, with the time passed in.
#include "rate_limit.h"

#include <gtest/gtest.h>

#include <thread>

namespace geod {
namespace {

using std::chrono::microseconds;
using std::chrono::milliseconds;
using std::chrono::seconds;

geo::Ip ip(const char* text) { return *geo::Ip::parse(text); }

class RateLimited : public testing::Test {
 protected:
  // How many of so many requests at once are admitted.
  int admitted(const geo::Ip& client, int requests, std::int64_t per_s) {
    int count = 0;
    for (int i = 0; i < requests; ++i) count += limit_.admits(client, now_, per_s) ? 1 : 0;
    return count;
  }

  RateLimit limit_{42};
  geo::MonotonicTime now_{seconds(1000)};
  const geo::Ip client_ = ip("203.0.113.7");
};

TEST_F(RateLimited, ASecondsWorthMayComeAtOnce) {
  for (const int per_s : {1, 3, 10, 1000}) {
    now_ += seconds(10);
    EXPECT_EQ(admitted(client_, 2 * per_s, per_s), per_s);
  }
}

TEST_F(RateLimited, AllowanceComesBackEvenly) {
  EXPECT_EQ(admitted(client_, 20, 10), 10);
  now_ += milliseconds(99);
  EXPECT_EQ(admitted(client_, 5, 10), 0);
  now_ += milliseconds(1);
  EXPECT_EQ(admitted(client_, 5, 10), 1);
  now_ += milliseconds(500);
  EXPECT_EQ(admitted(client_, 20, 10), 5);
  now_ += seconds(60);
  EXPECT_EQ(admitted(client_, 20, 10), 10) << "and no more than a second's worth";
}

TEST_F(RateLimited, WhatIsRefusedDoesNotPushTheAllowanceAway) {
  EXPECT_EQ(admitted(client_, 5, 5), 5);
  int count = 0;
  for (int ms = 0; ms < 10'000; ++ms) {  // a thousand requests a second, for ten seconds
    now_ += milliseconds(1);
    count += admitted(client_, 1, 5);
  }
  EXPECT_EQ(count, 50);
}

TEST_F(RateLimited, ClientsHaveTheirOwn) {
  EXPECT_EQ(admitted(client_, 9, 3), 3);
  EXPECT_EQ(admitted(ip("203.0.113.8"), 9, 3), 3);
  EXPECT_EQ(admitted(ip("::ffff:203.0.113.7"), 9, 3), 0) << "the same client";
}

TEST_F(RateLimited, AnIpv6NetworkOf64BitsIsOneClient) {
  EXPECT_EQ(admitted(ip("2001:db8:1:2::1"), 2, 3), 2);
  EXPECT_EQ(admitted(ip("2001:db8:1:2:ffff:ffff:ffff:ffff"), 9, 3), 1);
  EXPECT_EQ(admitted(ip("2001:db8:1:3::1"), 9, 3), 3);
}

TEST_F(RateLimited, AnotherLimitCountsAtOnce) {
  EXPECT_EQ(admitted(client_, 20, 10), 10);
  EXPECT_EQ(admitted(client_, 20, 1000), 0) << "the second is used up";
  now_ += milliseconds(500);
  EXPECT_EQ(admitted(client_, 2000, 1000), 500);
}

TEST_F(RateLimited, NobodyIsRefusedForWhatAnotherDidHoursAgo) {
  for (int hour = 0; hour < 48; ++hour) {
    EXPECT_EQ(admitted(client_, 9, 3), 3);
    now_ += seconds(3600);
  }
}

TEST_F(RateLimited, HighestLimitIsNearEnough) {
  EXPECT_NEAR(admitted(client_, 1'100'000, 1'000'000), 1'000'000, 30'000);
}

// The bound: eight clients have cells, and the ninth takes one's that has used up the least.
TEST(RateLimitOfOneSet, FullTableRefusesNobodyForOthersAndRemembersTheBusiest) {
  RateLimit limit(7, 8);
  geo::MonotonicTime now{seconds(5)};
  const geo::Ip busy = ip("192.0.2.1");
  for (int i = 0; i < 10; ++i) EXPECT_TRUE(limit.admits(busy, now, 10));
  EXPECT_FALSE(limit.admits(busy, now, 10));
  for (std::uint8_t i = 0; i < 200; ++i) {
    const std::uint8_t bytes[] = {198, 51, 100, i};
    EXPECT_TRUE(limit.admits(geo::Ip::v4(bytes), now, 10));
  }
  EXPECT_FALSE(limit.admits(busy, now, 10));
}

TEST(RateLimitAtOnce, ThreadsTogetherGetOneAllowance) {
  RateLimit limit(7);
  const geo::MonotonicTime now{seconds(5)};
  std::atomic<int> count{0};
  std::vector<std::thread> threads;
  for (int t = 0; t < 4; ++t)
    threads.emplace_back([&] {
      for (int i = 0; i < 20'000; ++i)
        if (limit.admits(ip("192.0.2.1"), now, 1000)) ++count;
    });
  for (std::thread& each : threads) each.join();
  EXPECT_GE(count, 1000);
  EXPECT_LE(count, 1010) << "few are let off";
}

}  // namespace
}  // namespace geod
