#include <gtest/gtest.h>

#include <optional>
#include <stdexcept>
#include <string>
#include <thread>
#include <tuple>
#include <vector>

#include "geo/base/cache.h"

namespace geo {
namespace {

using namespace std::chrono_literals;
using Texts = Cache<int, std::string>;
using From = Texts::Hit::From;

// Early: every deadline counted from here is past by the machine's clock, so that nothing waits for it.
const MonotonicTime kNow{1s};
const CacheLimits kLimits{.entries = 100, .ttl = 100ms, .stale = 200ms, .negative_ttl = 50ms};

auto answers(Result<std::string> answer, MonotonicTime now, std::optional<std::chrono::milliseconds> ttl = {}) {
  return [=](Texts::Load load) { load.finish(answer, now, ttl); };
}
auto keeps(std::vector<Texts::Load>& loads) {
  return [&loads](Texts::Load load) { loads.push_back(std::move(load)); };
}
const auto kNotAsked = [](const Texts::Load& load) { ADD_FAILURE() << "asked for " << load.key(); };

// "value from where", "code from where", or "nothing".
std::string told(const std::optional<Texts::Hit>& hit) {
  if (!hit) return "nothing";
  const auto& answer = hit->entry->answer;
  const std::string what = answer ? *answer : std::string(row_of(answer.error().code).name);
  return what + (hit->from == From::upstream ? " from upstream" : hit->from == From::cache ? " from cache" : " stale");
}
// What is at hand, where the upstream says nothing yet.
std::string at_hand(Texts& cache, MonotonicTime now, Wait wait = Wait::never()) {
  std::vector<Texts::Load> loads;
  const std::string what = told(cache.get(1, now, wait, keeps(loads)));
  return what + (loads.empty() ? "" : ", asks");
}

TEST(CacheLife, AnswerIsFreshForItsTtl) {
  Texts cache(kLimits, Stale::when_failed);
  EXPECT_EQ(told(cache.get(1, kNow, Wait::never(), answers("a", kNow))), "a from upstream");
  for (int again = 0; again < 5; ++again) {  // from the shard, then from the thread's own table
    EXPECT_EQ(told(cache.get(1, kNow + 1ms, Wait::never(), kNotAsked)), "a from cache");
    EXPECT_EQ(told(cache.get(1, kNow + 100ms - 1ns, Wait::never(), kNotAsked)), "a from cache");
  }
  EXPECT_EQ(at_hand(cache, kNow + 100ms), "nothing, asks");
}

TEST(CacheLook, TellsWhatIsAtHandAndChangesNothing) {
  Texts cache(kLimits, Stale::when_failed);
  const auto told_looking = [&](MonotonicTime now, auto start) {
    return told(cache.look(1, now, Wait::until(now), start));
  };
  EXPECT_EQ(told_looking(kNow, answers("a", kNow)), "a from upstream");
  EXPECT_EQ(at_hand(cache, kNow), "nothing, asks") << "what it was told is not kept";
  cache.get(2, kNow, Wait::never(), answers("b", kNow));
  const CacheStats before = cache.stats();
  EXPECT_EQ(told(cache.look(2, kNow + 1ms, Wait::never(), kNotAsked)), "b from cache");
  EXPECT_EQ(told(cache.look(3, kNow, Wait::never(), kNotAsked)), "nothing");
  const auto away = deny(ErrorCode::upstream_unavailable, "away");
  EXPECT_EQ(told(cache.look(2, kNow + 150ms, Wait::until(kNow), answers(away, kNow + 150ms))), "b stale");
  EXPECT_EQ(told(cache.look(4, kNow, Wait::until(kNow), answers(away, kNow))), "upstream_unavailable from upstream");
  const CacheStats after = cache.stats();
  EXPECT_EQ(std::tie(after.hits, after.misses, after.stale, after.loads, after.failures, after.entries),
            std::tie(before.hits, before.misses, before.stale, before.loads, before.failures, before.entries));
}

TEST(CacheLook, JoinsACallUnderWay) {
  Texts cache(kLimits, Stale::when_failed);
  std::vector<Texts::Load> loads;
  EXPECT_EQ(told(cache.get(1, kNow, Wait::never(), keeps(loads))), "nothing");
  loads.front().finish("a", kNow);
  EXPECT_EQ(told(cache.look(1, kNow, Wait::never(), kNotAsked)), "a from upstream");
}

TEST(CacheLife, WhatCameSinceTheRequestCameIsTheUpstreams) {
  Texts cache(kLimits, Stale::when_failed);
  cache.get(1, kNow, Wait::never(), answers("a", kNow + 5ms));
  EXPECT_EQ(told(cache.get(1, kNow, Wait::never(), kNotAsked)), "a from upstream");
  EXPECT_EQ(told(cache.get(1, kNow + 6ms, Wait::never(), kNotAsked)), "a from cache");
}

TEST(CacheLife, UpstreamMayShortenTheTtlAndNotProlongIt) {
  for (const auto& [ttl, life] : {std::pair{30ms, 30ms}, {0ms, 0ms}, {-5ms, 0ms}, {1000ms, 100ms}}) {
    Texts cache(kLimits, Stale::when_failed);
    const auto hit = cache.get(1, kNow, Wait::never(), answers("a", kNow, ttl));
    EXPECT_EQ(hit->entry->fresh_until, kNow + life);
    EXPECT_EQ(hit->entry->stale_until, kNow + life + 200ms);
    const auto negative = cache.get(2, kNow, Wait::never(), answers(deny(ErrorCode::unknown_address, ""), kNow, ttl));
    EXPECT_EQ(negative->entry->fresh_until, kNow + std::min<std::chrono::milliseconds>(life, 50ms));
  }
}

TEST(CacheLife, LongestLivesDoNotWrapRound) {
  constexpr auto kForEver = std::chrono::milliseconds::max();
  Texts cache({.entries = 10, .ttl = kForEver, .stale = kForEver, .negative_ttl = kForEver}, Stale::when_failed);
  const auto hit = cache.get(1, kNow, Wait::never(), answers("a", kNow, kForEver));
  EXPECT_GT(hit->entry->fresh_until, kNow + 24h * 365 * 200);
  EXPECT_GE(hit->entry->stale_until, hit->entry->fresh_until);
}

TEST(CacheStale, ServesAtOnceWhileOneRefreshIsUnderWay) {
  Texts cache(kLimits, Stale::while_refreshed);
  cache.get(1, kNow, Wait::never(), answers("old", kNow));
  std::vector<Texts::Load> loads;
  const Wait wait = Wait::until(std::chrono::steady_clock::now() + 1h);  // would be waited for, if it waited
  EXPECT_EQ(told(cache.get(1, kNow + 100ms, wait, keeps(loads))), "old stale");
  ASSERT_EQ(loads.size(), 1);
  EXPECT_EQ(told(cache.get(1, kNow + 110ms, wait, kNotAsked)), "old stale");
  loads[0].finish("new", kNow + 120ms);
  EXPECT_EQ(told(cache.get(1, kNow + 130ms, Wait::never(), kNotAsked)), "new from cache");
}

TEST(CacheStale, RefreshThatEndsAtOnceIsServed) {
  Texts cache(kLimits, Stale::while_refreshed);
  cache.get(1, kNow, Wait::never(), answers("old", kNow));
  EXPECT_EQ(told(cache.get(1, kNow + 100ms, Wait::never(), answers("new", kNow + 100ms))), "new from upstream");
}

TEST(CacheStale, FailedRefreshLeavesItAndTheNextTriesAgain) {
  Texts cache(kLimits, Stale::while_refreshed);
  cache.get(1, kNow, Wait::never(), answers("old", kNow));
  const auto fails = answers(deny(ErrorCode::upstream_unavailable, ""), kNow + 100ms);
  EXPECT_EQ(told(cache.get(1, kNow + 100ms, Wait::never(), fails)), "old stale");
  EXPECT_EQ(at_hand(cache, kNow + 300ms - 1ns), "old stale, asks");
  EXPECT_EQ(at_hand(cache, kNow + 300ms), "nothing, asks") << "the window is over";
}

TEST(CacheStale, WhenFailedServesOnlyAfterAFailureOrTheDeadline) {
  Texts cache(kLimits, Stale::when_failed);
  cache.get(1, kNow, Wait::never(), answers("old", kNow));
  MonotonicTime later = kNow + 100ms;
  for (const ErrorCode code : {ErrorCode::upstream_unavailable, ErrorCode::deadline_exceeded, ErrorCode::internal}) {
    EXPECT_EQ(told(cache.get(1, later, Wait::never(), answers(deny(code, ""), later))), "old stale");
    later += 1ms;
  }
  std::vector<Texts::Load> loads;
  EXPECT_EQ(told(cache.get(1, later, Wait::never(), keeps(loads))), "nothing");
  EXPECT_EQ(told(cache.get(1, later, Wait::never(), kNotAsked)), "nothing");
  EXPECT_EQ(told(cache.get(1, later, Wait::until(later + 10ms), kNotAsked)), "old stale") << "past the deadline";
  EXPECT_EQ(told(cache.get(1, later, Wait::until(kNow + 300ms), kNotAsked)), "nothing") << "too old by then";
  loads[0].finish("new", later);
  EXPECT_EQ(told(cache.get(1, later + 1ms, Wait::never(), kNotAsked)), "new from cache");
}

TEST(CacheStale, TooOldByTheTimeTheCallFailedIsNotServed) {
  for (const Stale stale : {Stale::when_failed, Stale::while_refreshed}) {
    Texts cache(kLimits, stale);
    cache.get(1, kNow, Wait::never(), answers("old", kNow));
    const auto fails = answers(deny(ErrorCode::upstream_unavailable, ""), kNow + 300ms);
    EXPECT_EQ(told(cache.get(1, kNow + 299ms, Wait::never(), fails)), "upstream_unavailable from upstream");
  }
}

TEST(CacheNegative, LivesForItsOwnTtlAndNeverServesStale) {
  for (const Stale stale : {Stale::when_failed, Stale::while_refreshed}) {
    Texts cache(kLimits, stale);
    EXPECT_EQ(told(cache.get(1, kNow, Wait::never(), answers(deny(ErrorCode::unknown_address, ""), kNow))),
              "unknown_address from upstream");
    for (int again = 0; again < 5; ++again) {
      EXPECT_EQ(told(cache.get(1, kNow + 50ms - 1ns, Wait::never(), kNotAsked)), "unknown_address from cache");
    }
    EXPECT_EQ(at_hand(cache, kNow + 50ms), "nothing, asks");
    EXPECT_EQ(at_hand(cache, kNow + 51ms, Wait::until(kNow + 52ms)), "nothing, asks");
  }
}

TEST(CacheNegative, TakesThePlaceOfWhatWasKnownBeforeEvenIfItIsNotKept) {
  for (const auto negative_ttl : {50ms, 0ms}) {
    CacheLimits limits = kLimits;
    limits.negative_ttl = negative_ttl;
    Texts cache(limits, Stale::while_refreshed);
    cache.get(1, kNow, Wait::never(), answers("old", kNow));
    cache.get(1, kNow + 100ms, Wait::never(), answers(deny(ErrorCode::not_found, ""), kNow + 100ms));
    EXPECT_EQ(at_hand(cache, kNow + 160ms), "nothing, asks");
  }
}

TEST(CacheFailure, IsToldAndNotKept) {
  Texts cache(kLimits, Stale::while_refreshed);
  MonotonicTime now = kNow;
  for (const ErrorCode code : {ErrorCode::upstream_unavailable, ErrorCode::deadline_exceeded, ErrorCode::internal}) {
    const auto hit = cache.get(1, now, Wait::never(), answers(deny(code, "why", 7s), now));
    ASSERT_TRUE(hit);
    EXPECT_EQ(hit->entry->answer, Result<std::string>(deny(code, "why", 7s)));
    EXPECT_EQ(hit->from, From::upstream);
    EXPECT_EQ(cache.stats().entries, 0);
    now += 1ms;
  }
}

TEST(CacheFailure, IsToldToWhoAskedBeforeItAndToNobodyElse) {
  for (const Stale stale : {Stale::when_failed, Stale::while_refreshed}) {
    Texts cache(kLimits, stale);
    std::vector<Texts::Load> loads;
    EXPECT_EQ(told(cache.get(1, kNow, Wait::never(), keeps(loads))), "nothing");
    EXPECT_EQ(told(cache.get(1, kNow + 1ms, Wait::never(), kNotAsked)), "nothing");
    loads[0].finish(deny(ErrorCode::upstream_unavailable, ""), kNow + 2ms);
    for (const auto asked : {0ms, 1ms, 2ms})
      for (const Wait wait : {Wait::never(), Wait::until(kNow + 9ms)})
        EXPECT_EQ(told(cache.get(1, kNow + asked, wait, kNotAsked)), "upstream_unavailable from upstream");
    EXPECT_EQ(told(cache.get(1, kNow + 3ms, Wait::never(), answers("a", kNow + 4ms))), "a from upstream");
    EXPECT_EQ(told(cache.get(1, kNow, Wait::never(), kNotAsked)), "a from upstream");
    EXPECT_EQ(cache.stats().loads, 2);
  }
}

TEST(CacheFailure, OldAnswerServesTheSecondLookToo) {
  Texts cache(kLimits, Stale::when_failed);
  cache.get(1, kNow, Wait::never(), answers("old", kNow));
  const auto fails = answers(deny(ErrorCode::upstream_unavailable, ""), kNow + 110ms);
  EXPECT_EQ(told(cache.get(1, kNow + 100ms, Wait::never(), fails)), "old stale");
  EXPECT_EQ(told(cache.get(1, kNow + 105ms, Wait::never(), kNotAsked)), "old stale") << "the second look";
  EXPECT_EQ(at_hand(cache, kNow + 111ms), "nothing, asks");
}

TEST(CacheFailure, IsForgottenWhenTooManyCameAfterIt) {
  Texts cache(kLimits, Stale::when_failed);
  const auto fails = [](Texts::Load load) { load.finish(deny(ErrorCode::upstream_unavailable, ""), kNow + 1ms); };
  for (int key = 0; key < 20'000; ++key) cache.get(key, kNow, Wait::never(), fails);
  int asked_again = 0;
  for (int key = 0; key < 20'000; ++key)
    cache.get(key, kNow, Wait::never(), [&](Texts::Load load) {
      ++asked_again;
      load.finish(deny(ErrorCode::upstream_unavailable, ""), kNow + 1ms);
    });
  EXPECT_EQ(asked_again, 20'000) << "each pushes out the one that was to be asked next";
  cache.get(19'999, kNow, Wait::never(), kNotAsked);
}

TEST(CacheLoad, KnowsItsKeyAndMayBeFinishedByAnyThreadAfterAllGaveUp) {
  Texts cache(kLimits, Stale::when_failed);
  std::vector<Texts::Load> loads;
  EXPECT_EQ(told(cache.get(7, kNow, Wait::until(kNow + 10ms), keeps(loads))), "nothing");
  ASSERT_EQ(loads.size(), 1);
  EXPECT_EQ(loads[0].key(), 7);
  std::jthread([&] { loads[0].finish("late", kNow + 20ms); }).join();
  loads[0].finish("twice", kNow + 20ms);
  EXPECT_EQ(loads[0].key(), 7);
  EXPECT_EQ(told(cache.get(7, kNow + 30ms, Wait::never(), kNotAsked)), "late from cache");
}

TEST(CacheLoad, ThatGoesWithoutAnAnswerEndsAsUnavailable) {
  Texts cache(kLimits, Stale::when_failed);
  EXPECT_EQ(told(cache.get(1, kNow, Wait::never(), [](const Texts::Load&) {})), "upstream_unavailable from upstream");
  EXPECT_EQ(told(cache.get(1, kNow + 1ms, Wait::never(), [](Texts::Load&&) {})), "upstream_unavailable from upstream");
  const MonotonicTime later = kNow + 2ms;
  std::vector<Texts::Load> loads;
  for (int key = 0; key < 2; ++key) cache.get(key, later, Wait::never(), keeps(loads));
  loads[0] = std::move(loads[1]);  // ends the call for 0
  EXPECT_EQ(told(cache.get(0, later, Wait::never(), kNotAsked)), "upstream_unavailable from upstream");
  loads[0].finish("b", later);
  EXPECT_EQ(told(cache.get(1, later + 1ms, Wait::never(), kNotAsked)), "b from cache");
  EXPECT_EQ(cache.stats().failures, 3);
}

TEST(CacheLoad, OutlivesTheCache) {
  std::vector<Texts::Load> loads;
  {
    Texts cache(kLimits, Stale::when_failed);
    for (int key = 0; key < 3; ++key) cache.get(key, kNow, Wait::never(), keeps(loads));
  }
  EXPECT_EQ(loads[1].key(), 1);
  loads[1].finish("a", kNow);
}

TEST(CacheStart, WhatItThrowsPassesThroughAndTheNextMayTry) {
  Texts cache(kLimits, Stale::when_failed);
  const auto refuses = [](const Texts::Load&) { throw std::runtime_error("no thread"); };
  EXPECT_THROW(cache.get(1, kNow, Wait::never(), refuses), std::runtime_error);
  EXPECT_THROW(cache.get(1, kNow + 1ms, Wait::never(), std::function<void(Texts::Load)>()), std::bad_function_call);
  EXPECT_EQ(told(cache.get(1, kNow + 2ms, Wait::never(), answers("a", kNow + 2ms))), "a from upstream");
  EXPECT_EQ(cache.stats().failures, 2);
}

TEST(CacheStart, MayAskTheCacheItself) {
  Texts cache(kLimits, Stale::when_failed);
  const auto hit = cache.get(1, kNow, Wait::never(), [&](Texts::Load load) {
    const auto other = cache.get(2, kNow, Wait::never(), answers("b", kNow));
    load.finish("a+" + *other->entry->answer, kNow);
  });
  EXPECT_EQ(told(hit), "a+b from upstream");
}

// A key whose copies can be made to fail, as memory can.
struct Fragile {
  int number = 0;
  static inline bool fails = false;
  explicit Fragile(int n) : number(n) {}
  Fragile(const Fragile& other) : number(other.number) {
    if (fails) throw std::bad_alloc();
  }
  Fragile& operator=(const Fragile&) = delete;
  bool operator==(const Fragile& other) const { return number == other.number; }
  struct Hash {
    std::size_t operator()(const Fragile& key) const { return static_cast<std::size_t>(key.number); }
  };
};

TEST(CacheStart, NothingIsUnderWayWhereMemoryForTheCallWasMissing) {
  using Numbers = Cache<Fragile, int, Fragile::Hash>;
  Numbers cache(kLimits, Stale::when_failed);
  const auto one = [](Numbers::Load load) { load.finish(1, kNow); };
  Fragile::fails = true;
  EXPECT_THROW(cache.get(Fragile(1), kNow, Wait::never(), one), std::bad_alloc);
  Fragile::fails = false;
  const auto hit = cache.get(Fragile(1), kNow, Wait::never(), one);
  ASSERT_TRUE(hit);
  EXPECT_EQ(hit->entry->answer, 1);
}

TEST(CacheOfNothing, KeepsNothingButCallsForOneKeyAtOnceAreOne) {
  CacheLimits limits = kLimits;
  limits.entries = 0;
  Texts cache(limits, Stale::while_refreshed);
  std::vector<Texts::Load> loads;
  EXPECT_EQ(told(cache.get(1, kNow, Wait::never(), keeps(loads))), "nothing");
  EXPECT_EQ(told(cache.get(1, kNow, Wait::never(), kNotAsked)), "nothing");
  ASSERT_EQ(loads.size(), 1);
  loads[0].finish("a", kNow);
  for (int again = 0; again < 3; ++again) {
    EXPECT_EQ(told(cache.get(1, kNow + 1ms, Wait::never(), answers("b", kNow + 1ms))), "b from upstream");
  }
  EXPECT_EQ(cache.stats().entries, 0);
}

TEST(CacheStats, CountsEachAnswerOnce) {
  Texts cache(kLimits, Stale::while_refreshed);
  std::vector<Texts::Load> loads;
  EXPECT_EQ(told(cache.get(1, kNow, Wait::never(), keeps(loads))), "nothing");  // counts nothing: it is asked again
  EXPECT_EQ(told(cache.get(1, kNow, Wait::until(kNow + 1ms), kNotAsked)), "nothing");
  loads[0].finish("a", kNow);
  EXPECT_EQ(told(cache.get(1, kNow, Wait::until(kNow + 1ms), kNotAsked)), "a from upstream");
  for (int hit = 0; hit < 5; ++hit) cache.get(1, kNow + 1ms, Wait::never(), kNotAsked);
  for (MonotonicTime now = kNow + 150ms; now < kNow + 153ms; now += 1ms)
    cache.get(1, now, Wait::never(), answers(deny(ErrorCode::internal, ""), now));
  cache.get(2, kNow, Wait::never(), answers(deny(ErrorCode::not_found, ""), kNow));
  const CacheStats stats = cache.stats();
  EXPECT_EQ(stats.hits, 5);
  EXPECT_EQ(stats.misses, 3);
  EXPECT_EQ(stats.stale, 3);
  EXPECT_EQ(stats.loads, 5);
  EXPECT_EQ(stats.failures, 3);
  EXPECT_EQ(stats.entries, 2);
}

}  // namespace
}  // namespace geo
