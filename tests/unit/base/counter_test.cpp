#include <gtest/gtest.h>

#include <thread>
#include <vector>

#include "geo/base/counter.h"

namespace geo {
namespace {

TEST(Counter, SumsWhatAllThreadsAdded) {
  Counter counter;
  constexpr int kThreads = 2 * kStripes + 1, kTimes = 1000;  // some share a stripe
  {
    std::vector<std::jthread> threads;
    for (int i = 0; i < kThreads; ++i) {
      threads.emplace_back([&] {
        for (int n = 0; n < kTimes; ++n) counter.add();
        counter.add(5);
      });
    }
  }
  EXPECT_EQ(counter.sum(), static_cast<std::uint64_t>(kThreads) * (kTimes + 5));
}

TEST(Counter, ThreadKeepsItsStripeAndTheNextOneGetsTheNext) {
  std::size_t first = kStripes, again = 0, second = kStripes;
  std::jthread([&] {
    first = thread_stripe();
    again = thread_stripe();
  }).join();
  std::jthread([&] { second = thread_stripe(); }).join();
  EXPECT_LT(first, kStripes);
  EXPECT_EQ(first, again);
  EXPECT_EQ(second, (first + 1) % kStripes);
}

}  // namespace
}  // namespace geo
