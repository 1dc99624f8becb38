#include "io/checks/schedule.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <random>
#include <set>

namespace geo::io::checks {
namespace {

using namespace std::chrono_literals;

constexpr MonotonicTime kStart{std::chrono::hours(1)};
constexpr auto kInterval = 2000ms;

std::function<double()> rolling() {
  return [engine = std::minstd_rand(1)]() mutable { return std::uniform_real_distribution<double>(0, 1)(engine); };
}
std::function<double()> always_rolls(double it) {
  return [it] { return it; };
}

std::vector<CheckTarget> nodes(int count) {
  std::vector<CheckTarget> out;
  for (int i = 0; i < count; ++i) out.push_back({"n" + std::to_string(i), "http://192.0.2.1/" + std::to_string(i)});
  return out;
}

TEST(ChecksSchedule, SpreadsTheFirstChecksOverOneInterval) {
  Schedule schedule(kInterval, 10, 100, rolling());
  schedule.watch(nodes(10'000), kStart);
  std::set<std::string> taken;
  for (auto now = kStart; now < kStart + kInterval; now += 10ms) {
    std::size_t at_once = 0;
    while (const auto target = schedule.take(now)) {
      ++at_once;
      EXPECT_TRUE(taken.insert(target->node.id).second) << "twice";
    }
    EXPECT_LE(at_once, 52U) << "10,000 in 200 steps";
  }
  while (const auto target = schedule.take(kStart + kInterval)) taken.insert(target->node.id);
  EXPECT_EQ(taken.size(), 10'000U);
  EXPECT_EQ(schedule.next(), MonotonicTime::max());
}

TEST(ChecksSchedule, IntervalsAreShorterByTheJitterNeverLonger) {
  Schedule schedule(kInterval, 10, 100, rolling());
  schedule.watch(nodes(1), kStart);
  auto now = kStart + kInterval;
  std::set<std::chrono::nanoseconds> seen;
  for (int i = 0; i < 1000; ++i) {
    auto target = schedule.take(now);
    ASSERT_NE(target, nullptr);
    schedule.done(std::move(target), now + 50ms);
    const auto interval = schedule.next() - now;
    EXPECT_GE(interval, kInterval * 9 / 10);
    EXPECT_LE(interval, kInterval);
    EXPECT_EQ(schedule.take(now + interval - 1ns), nullptr);
    seen.insert(interval);
    now += interval;
  }
  EXPECT_GT(*seen.rbegin() - *seen.begin(), kInterval * 9 / 100) << "all of the tenth is used";
}

TEST(ChecksSchedule, NobodyIsCheckedWithoutAPauseWhateverTheJitter) {
  Schedule schedule(kInterval, 100, 100, always_rolls(1));
  schedule.watch(nodes(1), kStart);
  schedule.done(schedule.take(kStart + kInterval), kStart + kInterval);
  EXPECT_EQ(schedule.next(), kStart + kInterval + kInterval / 10);
}

TEST(ChecksSchedule, WhoseCheckTookLongerThanAnIntervalIsDueAtItsEnd) {
  Schedule schedule(kInterval, 0, 100, always_rolls(0));
  schedule.watch(nodes(1), kStart);
  schedule.done(schedule.take(kStart), kStart + 5s);
  EXPECT_EQ(schedule.next(), kStart + 5s);
}

TEST(ChecksSchedule, WhoIsLateComesInTheOrderTheyWereDueAndNobodyIsDropped) {
  Schedule schedule(kInterval, 0, 100, always_rolls(0));
  schedule.watch(nodes(100), kStart);
  const auto late = kStart + 10 * kInterval;
  for (int i = 0; i < 100; ++i) {
    auto target = schedule.take(late);
    ASSERT_NE(target, nullptr);
    EXPECT_EQ(target->node.id, "n" + std::to_string(i));
    schedule.done(std::move(target), late);
  }
  EXPECT_EQ(schedule.take(late), nullptr) << "once, however many they missed";
}

TEST(ChecksSchedule, PutBackIsAsIfItHadNotBeenTaken) {
  Schedule schedule(kInterval, 0, 100, always_rolls(0));
  schedule.watch(nodes(2), kStart);
  auto first = schedule.take(kStart + kInterval);
  EXPECT_EQ(first->node.id, "n0");
  schedule.put_back(std::move(first));
  EXPECT_EQ(schedule.take(kStart + kInterval)->node.id, "n0");
}

TEST(ChecksSchedule, WhoStaysKeepsItsPlaceWhoIsNewOrElsewhereGetsAnother) {
  Schedule schedule(kInterval, 0, 100, always_rolls(0.5));
  schedule.watch({{"stays", "http://a"}, {"moves", "http://b"}, {"goes", "http://c"}}, kStart);
  const auto first = schedule.next();
  schedule.watch({{"new", "http://d"}, {"moves", "http://e"}, {"stays", "http://a"}}, kStart + 100ms);
  EXPECT_EQ(schedule.next(), first);
  EXPECT_EQ(schedule.take(first)->node.id, "stays");
  std::vector<std::string> others;
  while (const auto target = schedule.take(kStart + kInterval + 100ms)) {
    EXPECT_GE(target->due, kStart + 100ms);
    others.push_back(target->node.id + ' ' + target->node.url);
  }
  EXPECT_EQ(others, (std::vector<std::string>{"new http://d", "moves http://e"}));
}

TEST(ChecksSchedule, WhoHasGoneWhileUnderWayComesNoMore) {
  Schedule schedule(kInterval, 0, 100, always_rolls(0));
  schedule.watch(nodes(1), kStart);
  auto target = schedule.take(kStart);
  schedule.watch({}, kStart);
  EXPECT_FALSE(target->watched);
  schedule.done(std::move(target), kStart);
  EXPECT_EQ(schedule.next(), MonotonicTime::max());
  EXPECT_EQ(schedule.take(kStart + 2 * kInterval), nullptr);
}

TEST(ChecksSchedule, OfTwoWithOneIdTheFirstIsChecked) {
  Schedule schedule(kInterval, 0, 100, always_rolls(0));
  schedule.watch({{"n", "http://a"}, {"n", "http://b"}}, kStart);
  EXPECT_EQ(schedule.take(kStart + kInterval)->node.url, "http://a");
  EXPECT_EQ(schedule.take(kStart + kInterval), nullptr);
}

TEST(ChecksSchedule, KeepsTheConnectionsOfSoManyAsMayBeOpen) {
  Schedule schedule(kInterval, 0, 3, always_rolls(0));
  schedule.watch(nodes(5), kStart);
  int kept = 0;
  while (const auto target = schedule.take(kStart + kInterval)) kept += target->keeps_connection ? 1 : 0;
  EXPECT_EQ(kept, 3);
}

}  // namespace
}  // namespace geo::io::checks
