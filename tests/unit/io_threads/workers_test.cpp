#include <gtest/gtest.h>

#include <atomic>
#include <filesystem>
#include <iterator>
#include <latch>

#include "geo/io/threads.h"

namespace geo::io {
namespace {

using Clock = std::chrono::steady_clock;

TEST(Workers, QueueIsBounded) {
  std::latch taken(1), release(1);
  Workers workers(1, 2);
  EXPECT_TRUE(workers.submit([&] {
    taken.count_down();
    release.wait();
  }));
  taken.wait();
  EXPECT_TRUE(workers.submit([] {}));
  EXPECT_TRUE(workers.submit([] {}));
  EXPECT_FALSE(workers.submit([] {}));
  release.count_down();
}

TEST(Workers, StopFinishesWhatWasTakenAndTakesNoMore) {
  std::atomic<int> done = 0;
  Workers workers(2, 100);
  for (int i = 0; i < 50; ++i) EXPECT_TRUE(workers.submit([&] { ++done; }));
  EXPECT_TRUE(workers.stop(Clock::now() + std::chrono::seconds(20)));
  EXPECT_EQ(done, 50);
  EXPECT_FALSE(workers.submit([&] { ++done; }));
}

TEST(Workers, StopDoesNotWaitForeverForAJob) {
  std::latch release(1);
  Workers workers(1, 1);
  EXPECT_TRUE(workers.submit([&] { release.wait(); }));
  EXPECT_FALSE(workers.stop(Clock::now()));
  release.count_down();
}

// Each job holds its thread until all run: with one thread fewer than jobs, or one that is not started, none would end.
TEST(Workers, AsManyRunAtOnceAsThereMayBeThreads) {
  constexpr int kThreads = 8;
  std::latch all(kThreads);
  Workers workers(kThreads, 100);
  for (int i = 0; i < kThreads; ++i) EXPECT_TRUE(workers.submit([&] { all.arrive_and_wait(); }));
  EXPECT_TRUE(workers.stop(Clock::now() + std::chrono::seconds(20)));
}

TEST(Workers, ThreadsAreStartedWhenThereIsWork) {
  const auto threads = [] {
    const std::filesystem::directory_iterator all("/proc/self/task");
    return std::distance(begin(all), end(all));
  };
  const auto before = threads();
  Workers workers(64, 1);
  EXPECT_LT(threads(), before + 8);
}

}  // namespace
}  // namespace geo::io
