// The cache against a model that does the obvious, and under many threads.
#include <gtest/gtest.h>

#include <atomic>
#include <future>
#include <latch>
#include <map>
#include <random>
#include <thread>
#include <vector>

#include "geo/base/cache.h"
#include "geo/base/guarded.h"

namespace geo {
namespace {

using namespace std::chrono_literals;
using Numbers = Cache<int, std::uint64_t>;
using From = Numbers::Hit::From;

const MonotonicTime kNow{1s};

Wait long_enough() { return Wait::until(std::chrono::steady_clock::now() + 5min); }

TEST(CacheSingleFlight, ManyThreadsAskForOneColdKeyOnce) {
  constexpr int kThreads = 64, kGets = 160;  // 10,240 of them
  Numbers cache({.entries = 10, .ttl = 1h, .stale = 0ms, .negative_ttl = 0ms}, Stale::when_failed);
  std::atomic<int> starts = 0, wrong = 0;
  std::promise<Numbers::Load> started;
  std::latch all(kThreads);
  {
    std::vector<std::jthread> threads;
    for (int i = 0; i < kThreads; ++i) {
      threads.emplace_back([&] {
        all.arrive_and_wait();
        for (int n = 0; n < kGets; ++n) {
          const auto hit = cache.get(1, kNow, long_enough(), [&](Numbers::Load load) {
            if (++starts == 1) started.set_value(std::move(load));
          });
          if (!hit || hit->entry->answer != 42U) ++wrong;
        }
      });
    }
    all.wait();
    started.get_future().get().finish(42, kNow - 1ms);
  }
  EXPECT_EQ(starts, 1);
  EXPECT_EQ(wrong, 0);
  const auto stats = cache.stats();
  EXPECT_EQ(stats.hits + stats.misses, kThreads * kGets);
  EXPECT_GE(stats.misses, 1);
  EXPECT_EQ(stats.loads, 1);
}

TEST(CacheSingleFlight, FailureReachesAllWhoWait) {
  constexpr int kThreads = 16;
  Numbers cache({.entries = 10, .ttl = 1h, .stale = 0ms, .negative_ttl = 0ms}, Stale::when_failed);
  std::promise<Numbers::Load> started;
  std::atomic<int> told = 0;
  {
    std::vector<std::jthread> threads;
    threads.emplace_back([&] {
      const auto hit =
          cache.get(1, kNow, long_enough(), [&](Numbers::Load load) { started.set_value(std::move(load)); });
      if (hit && !hit->entry->answer) ++told;
    });
    Numbers::Load load = started.get_future().get();
    std::latch asking(kThreads);
    for (int i = 0; i < kThreads; ++i) {
      threads.emplace_back([&] {
        asking.count_down();
        const auto hit = cache.get(1, kNow, long_enough(), [](const Numbers::Load&) {});  // those who come too late
        if (hit && !hit->entry->answer) ++told;
      });
    }
    asking.wait();
    load.finish(deny(ErrorCode::upstream_unavailable, "down"), kNow);
  }
  EXPECT_EQ(told, kThreads + 1);
}

TEST(CacheFront, ServesAnotherThreadsOlderEntryOnlyWhileItIsFresh) {
  Numbers cache({.entries = 100, .ttl = 100ms, .stale = 0ms, .negative_ttl = 0ms}, Stale::when_failed);
  const auto answers = [](std::uint64_t value, MonotonicTime now) {
    return [=](Numbers::Load load) { load.finish(value, now); };
  };
  const auto value_at = [&](MonotonicTime now) {
    const auto hit = cache.get(1, now, Wait::never(), [](const Numbers::Load&) {});
    return hit->entry->answer.value_or(0);
  };
  cache.get(1, kNow, Wait::never(), answers(1, kNow));
  for (int warm = 0; warm < 5; ++warm) EXPECT_EQ(value_at(kNow + 1ms), 1) << "now in this thread's own table";
  std::jthread([&] { cache.get(1, kNow + 100ms, Wait::never(), answers(2, kNow + 100ms)); }).join();
  EXPECT_EQ(value_at(kNow + 99ms), 1) << "a request from before then";
  for (int again = 0; again < 5; ++again) EXPECT_EQ(value_at(kNow + 100ms), 2);
  EXPECT_EQ(value_at(kNow + 200ms), 0) << "nothing but the failure of a call without an answer";
}

// What the cache does when nothing has to go for another: life, stale window, calls under way.
struct Model {
  struct Known {
    Result<std::uint64_t> answer;
    MonotonicTime loaded_at, fresh_until, stale_until;
  };
  CacheLimits limits;
  Stale stale;
  std::map<int, Known> known;

  static bool fails(const Result<std::uint64_t>& answer) { return !answer && is_failure(answer.error().code); }
  void finish(int key, const Result<std::uint64_t>& answer, MonotonicTime now, std::chrono::milliseconds ttl) {
    if (fails(answer)) return;
    const MonotonicTime fresh = now + std::min(ttl, answer ? limits.ttl : limits.negative_ttl);
    known.insert_or_assign(key, Known{answer, now, fresh, answer ? fresh + limits.stale : fresh});
  }
};

class CacheModel : public ::testing::TestWithParam<Stale> {};
INSTANTIATE_TEST_SUITE_P(Stale, CacheModel, ::testing::Values(Stale::while_refreshed, Stale::when_failed));

TEST_P(CacheModel, AgreesOnRandomOperations) {
  const CacheLimits limits{.entries = 1000, .ttl = 40ms, .stale = 60ms, .negative_ttl = 20ms};
  Numbers cache(limits, GetParam());
  Model model{limits, GetParam(), {}};
  std::map<int, Numbers::Load> under_way;
  std::mt19937 dice(7);
  const auto below = [&](int n) { return std::uniform_int_distribution<int>(0, n - 1)(dice); };
  std::uint64_t next = 0;
  const auto some_answer = [&]() -> Result<std::uint64_t> {
    const int kind = below(6);
    if (kind == 0) return deny(ErrorCode::unknown_address, "");
    if (kind == 1) return deny(ErrorCode::upstream_unavailable, "");
    return ++next;
  };
  std::map<std::string, int> seen;  // every kind of outcome has to come up
  MonotonicTime now = kNow;
  for (int step = 0; step < 60000; ++step) {
    now += std::chrono::microseconds(below(2000));
    const int key = below(30);
    if (const auto flying = under_way.find(key); flying != under_way.end() && below(4) == 0) {
      const auto answer = some_answer();
      const std::chrono::milliseconds ttl{below(60)};
      flying->second.finish(answer, now, ttl);
      under_way.erase(flying);
      model.finish(key, answer, now, ttl);
      continue;
    }
    const bool waits = below(3) == 0;
    const Wait wait = waits ? Wait::until(now + 1ms * below(30)) : Wait::never();
    const bool at_once = below(2) == 0;
    const auto answer = some_answer();
    const std::chrono::milliseconds ttl{below(60)};

    // by the model
    const auto found = model.known.find(key);
    const std::optional<Model::Known> last = found == model.known.end() ? std::nullopt : std::optional(found->second);
    const bool fresh = last && now < last->fresh_until;
    const bool asks = !fresh && !under_way.contains(key);
    std::string expected = "nothing";
    const auto text = [](const Result<std::uint64_t>& a) {
      return a ? std::to_string(*a) : std::string(row_of(a.error().code).name);
    };
    const auto serves_stale = [&](MonotonicTime then) {
      return last && now < last->stale_until && then < last->stale_until;
    };
    if (fresh) {
      expected = text(last->answer) + (last->loaded_at >= now ? " upstream" : " cache");
    } else if (asks && at_once && !(Model::fails(answer) && serves_stale(now))) {
      expected = text(answer) + " upstream";
    } else if (serves_stale(now) && (GetParam() == Stale::while_refreshed || (asks && at_once) ||
                                     (waits && serves_stale(wait.deadline())))) {
      expected = text(last->answer) + " stale";
    }
    if (asks && at_once) model.finish(key, answer, now, ttl);

    bool asked = false;
    const auto hit = cache.get(key, now, wait, [&](Numbers::Load load) {
      asked = true;
      if (at_once) {
        load.finish(answer, now, ttl);
      } else {
        under_way.emplace(key, std::move(load));
      }
    });
    std::string actual = "nothing";
    if (hit) {
      const std::string from = hit->from == From::upstream ? " upstream"
                               : hit->from == From::cache  ? " cache"
                                                           : " stale";
      actual = text(hit->entry->answer) + from;
      ++seen[from + (hit->entry->answer ? "" : " denial")];
    } else {
      ++seen["nothing"];
    }
    ASSERT_EQ(actual, expected) << "step " << step;
    ASSERT_EQ(asked, asks) << "step " << step;
  }
  EXPECT_EQ(seen.size(), 6) << "upstream, cache: answers and denials; stale: answers; nothing";
  EXPECT_FALSE(seen.contains(" stale denial"));
}

// Values are their key and a number that grows with each load; time goes on with every operation.
TEST(CacheChurn, NeverServesAnotherKeysValueOrOneWhoseTimeIsOver) {
  constexpr int kThreads = 4, kSteps = 30000, kKeys = 300;
  for (const Stale stale : {Stale::while_refreshed, Stale::when_failed}) {
    Numbers cache({.entries = 100, .ttl = 3ms, .stale = 3ms, .negative_ttl = 1ms}, stale);
    std::atomic<std::uint64_t> ticks = 0, loads = 0, wrong = 0, served = 0;
    std::atomic<std::size_t> most = 0;
    Guarded<std::vector<Numbers::Load>> held;
    {
      std::vector<std::jthread> threads;
      for (int i = 0; i < kThreads; ++i) {
        threads.emplace_back([&, i] {
          std::mt19937 dice(static_cast<unsigned>(i));
          const auto now = [&] { return kNow + std::chrono::microseconds(ticks.fetch_add(1)); };
          for (int step = 0; step < kSteps; ++step) {
            const int key = static_cast<int>(dice() % 4 != 0 ? dice() % 10 : dice() % kKeys);
            const unsigned way = dice() % 8;
            const MonotonicTime asked = now();
            const auto hit =
                cache.get(key, asked, way == 0 ? Wait::until(asked + 1us) : Wait::never(), [&](Numbers::Load load) {
                  const std::uint64_t value = (++loads << 16) + static_cast<unsigned>(key);
                  if (load.key() != key) ++wrong;
                  if (way < 3) {
                    held.with([&](auto& all) { all.push_back(std::move(load)); });
                  } else if (way == 3) {
                    load.finish(deny(ErrorCode::unknown_address, ""), now());
                  } else if (way != 4) {
                    load.finish(value, now());
                  }
                });
            if (hit) {
              ++served;
              const Numbers::Entry& entry = *hit->entry;
              if (entry.answer && (*entry.answer & 0xffff) != static_cast<unsigned>(key)) ++wrong;
              if (hit->from == From::cache && asked >= entry.fresh_until) ++wrong;
              if (hit->from == From::stale && (asked >= entry.stale_until || !entry.answer)) ++wrong;
            }
            if (step % 16 == 0) {  // someone else's calls
              std::vector<Numbers::Load> ended;
              held.with([&](auto& all) { ended.swap(all); });
              for (Numbers::Load& load : ended) load.finish((++loads << 16) + static_cast<unsigned>(load.key()), now());
            }
            if (step % 64 == 0) most = std::max<std::size_t>(most, cache.stats().entries);
          }
        });
      }
    }
    EXPECT_EQ(wrong, 0);
    EXPECT_LE(most, 100);
    EXPECT_GT(served, kSteps);
    const auto stats = cache.stats();
    EXPECT_GT(stats.hits, 0);
    EXPECT_GT(stats.stale, 0);
    EXPECT_GT(stats.failures, 0);
  }
}

}  // namespace
}  // namespace geo
