// Which entries stay, and what they cost.
#include <gtest/gtest.h>

#include <atomic>
#include <cmath>
#include <list>
#include <random>
#include <unordered_map>
#include <vector>

#include "allocations.h"
#include "geo/base/cache.h"

namespace geo {
namespace {

using namespace std::chrono_literals;
using Numbers = Cache<std::uint64_t, std::uint64_t>;

const MonotonicTime kNow{1s}, kLater{2s};

CacheLimits up_to(std::size_t entries) { return {.entries = entries, .ttl = 1h, .stale = 1h, .negative_ttl = 1h}; }

// Was it there? If not, it is now.
template <class AnyCache>
bool ask(AnyCache& cache, std::uint64_t key, MonotonicTime now = kLater) {
  bool there = true;
  cache.get(key, now, Wait::never(), [&](typename AnyCache::Load load) {
    there = false;
    load.finish(key, kNow);
  });
  return there;
}

TEST(CacheBound, IsNeverExceededAndReachedByASmallCache) {
  for (const std::size_t entries : {1, 2, 3, 9, 10, 11, 100, 1023, 2047, 5001, 70000}) {
    Numbers cache(up_to(entries), Stale::when_failed);
    for (std::uint64_t key = 0; key < 3 * entries; ++key) {
      ask(cache, key);
      if (key % 3 == 0) ask(cache, key / 2);
      if (key % 97 == 0) {
        ASSERT_LE(cache.stats().entries, entries);
      }
    }
    EXPECT_LE(cache.stats().entries, entries);
    EXPECT_GE(cache.stats().entries, entries < 2048 ? entries : entries * 9 / 10);
  }
}

TEST(CacheBound, RefreshedKeyTakesNoSecondPlace) {
  Numbers cache(up_to(10), Stale::when_failed);
  for (int round = 0; round < 10; ++round) {
    const MonotonicTime now = kNow + round * 2h;
    for (std::uint64_t key = 0; key < 5; ++key) {
      cache.get(key, now, Wait::never(), [&](Numbers::Load load) { load.finish(key, now); });
    }
    EXPECT_EQ(cache.stats().entries, 5);
  }
}

// asks: what a request that has to wait for its answer makes of itself.
class CacheScan : public ::testing::TestWithParam<int> {};
INSTANTIATE_TEST_SUITE_P(Asks, CacheScan, ::testing::Values(1, 2));

TEST_P(CacheScan, OfAMillionKeysLeavesWhatIsAskedAgain) {
  Numbers cache(up_to(10000), Stale::when_failed);
  constexpr std::uint64_t kHot = 4000, kScanned = 1000000;
  for (int round = 0; round < 3; ++round) {
    for (std::uint64_t key = 0; key < kHot; ++key) ask(cache, key);
  }
  std::size_t lost = 0;
  for (std::uint64_t scanned = 0; scanned < kScanned; ++scanned) {
    for (int time = 0; time < GetParam(); ++time) ask(cache, kHot + scanned);
    if (scanned % 10 == 0) lost += ask(cache, scanned / 10 % kHot) ? 0 : 1;
  }
  EXPECT_EQ(lost, 0);
  EXPECT_LE(cache.stats().entries, 10000);
}

TEST(CacheKept, HotSetThatComesWithTheScanIsKeptSoon) {
  Numbers cache(up_to(1000), Stale::when_failed);
  std::uint64_t next = 1000000;
  std::size_t lost = 0;
  for (int round = 0; round < 100; ++round) {
    for (std::uint64_t key = 0; key < 300; ++key) {
      const bool there = ask(cache, key);
      if (round >= 10 && !there) ++lost;
      for (int i = 0; i < 3; ++i) ask(cache, next++);
    }
  }
  EXPECT_EQ(lost, 0) << "the ghost knows them when they come back";
}

// Popularity as of places and cameras: of `keys`, the n-th is asked for 1/n as often.
TEST(CacheKept, MissesLessThanLeastRecentlyUsedWould) {
  constexpr std::size_t kKeys = 20000, kEntries = 1000;
  std::vector<double> weights;
  for (std::size_t n = 1; n <= kKeys; ++n) weights.push_back(1.0 / static_cast<double>(n));
  std::discrete_distribution<std::uint64_t> key_of(weights.begin(), weights.end());
  std::mt19937_64 dice(4);

  Numbers cache(up_to(kEntries), Stale::when_failed);
  std::list<std::uint64_t> recent;
  std::unordered_map<std::uint64_t, std::list<std::uint64_t>::iterator> places;
  std::size_t misses = 0, misses_recent = 0;
  for (int i = 0; i < 300000; ++i) {
    const std::uint64_t key = key_of(dice);
    misses += ask(cache, key) ? 0 : 1;
    if (const auto place = places.find(key); place != places.end()) {
      recent.splice(recent.begin(), recent, place->second);
      continue;
    }
    ++misses_recent;
    if (places.size() == kEntries) {
      places.erase(recent.back());
      recent.pop_back();
    }
    recent.push_front(key);
    places[key] = recent.begin();
  }
  EXPECT_LT(misses, misses_recent * 9 / 10);
}

TEST(CacheKept, WhatIsOverGoesBeforeWhatServes) {
  Numbers cache(up_to(100), Stale::when_failed);
  const MonotonicTime then = kNow + 3h;  // beyond ttl and stale window
  for (int round = 0; round < 5; ++round) {
    for (std::uint64_t key = 0; key < 90; ++key) ask(cache, key);  // as hot as can be, and over by then
  }
  const auto ask_then = [&](std::uint64_t key) {
    bool there = true;
    cache.get(key, then + 1s, Wait::never(), [&](Numbers::Load load) {
      there = false;
      load.finish(key, then);
    });
    return there;
  };
  for (std::uint64_t key = 1000; key < 1090; ++key) ask_then(key);
  for (std::uint64_t key = 1000; key < 1090; ++key) EXPECT_TRUE(ask_then(key)) << key;
}

struct Counted {
  static inline std::atomic<int> alive = 0;
  Counted(std::uint64_t) { ++alive; }
  Counted(const Counted&) noexcept { ++alive; }
  Counted& operator=(const Counted&) noexcept = default;
  ~Counted() { --alive; }
};

TEST(CacheKept, ValuesThatWereGivenUpAreBounded) {
  {
    Cache<std::uint64_t, Counted> cache(up_to(200), Stale::when_failed);
    for (std::uint64_t key = 0; key < 20000; ++key) {
      for (int time = 0; time < 5; ++time) ask(cache, key);
    }
    EXPECT_EQ(cache.stats().entries, 200);
    EXPECT_LE(Counted::alive, 2 * 200);
  }
  EXPECT_EQ(Counted::alive, 0);
}

TEST(CacheHit, AllocatesNothing) {
  Numbers cache(up_to(10000), Stale::when_failed);
  const auto never = [](const Numbers::Load&) { ADD_FAILURE(); };
  for (std::uint64_t key = 0; key < 1000; ++key) ask(cache, key);
  std::size_t before = test::allocations();
  for (std::uint64_t key = 0; key < 1000; ++key) {
    ASSERT_TRUE(cache.get(key, kLater, Wait::never(), never)) << "from the shard";
  }
  EXPECT_EQ(test::allocations(), before);

  for (int warm = 0; warm < 5; ++warm) ask(cache, 1);
  before = test::allocations();
  for (int hit = 0; hit < 1000; ++hit) {
    ASSERT_TRUE(cache.get(1, kLater, Wait::until(kLater), never)) << "from the thread's own table";
  }
  EXPECT_EQ(test::allocations(), before);
}

}  // namespace
}  // namespace geo
