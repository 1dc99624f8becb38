// One cache for all that is asked of an upstream: bounded, with a life for what was found and for what was not, a
// window in which old answers still serve, and one upstream call per key however many wait for it.
//
// An entry's life, time from left to right:
//
//   get(): miss -> Start -> Load.finish(answer)
//                              |<---- ttl (negative_ttl) ---->|<------- stale ------->|
//                              fresh: served                   stale: see Stale        gone
//
// A call that failed is remembered for a moment too, for those who asked before it ended and look again: they are told
// that it failed, and ask no second time.
//
// A hit takes no lock that another core's hits take: each thread's stripe has a small table of its own before the
// shards. What a shard has given up may live on in those until its slot there is taken: at most as many entries again
// (of a tiny cache: 16), and at most 65,536. Replacement in a shard is S3-FIFO (Yang, Zhang, Qiu, Yue, Rashmi: "FIFO
// queues are all you need for cache eviction", SOSP 2023): what is asked once passes through a small queue and never
// pushes out what is asked again.
#pragma once

#include <algorithm>
#include <array>
#include <bit>
#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <type_traits>
#include <unordered_map>
#include <utility>
#include <vector>

#include "geo/base/cache_detail.h"
#include "geo/base/clock.h"
#include "geo/base/counter.h"
#include "geo/base/held.h"
#include "geo/base/result.h"

namespace geo {

struct CacheLimits {
  std::size_t entries = 0;  // at most; 0: nothing is kept, but calls for one key at once are still one
  std::chrono::milliseconds ttl{}, stale{}, negative_ttl{};
};

// When may an entry serve whose ttl has passed, within the stale window?
enum class Stale : std::uint8_t {
  while_refreshed,  // at once; a refresh is started beside it
  when_failed,      // only when the upstream failed
};

// Each get() is a hit, stale, or a miss: loaded since `now`, or waited for in vain. One that may not wait and has
// nothing to tell counts nothing: whoever asked asks again. Each load is a call of Start.
struct CacheStats {
  std::uint64_t hits = 0, misses = 0, stale = 0, loads = 0, failures = 0;
  std::size_t entries = 0;

  CacheStats& operator+=(const CacheStats& other) {
    hits += other.hits;
    misses += other.misses;
    stale += other.stale;
    loads += other.loads;
    failures += other.failures;
    entries += other.entries;
    return *this;
  }
};

// Owns: its entries, together with the Loads under way: those may be finished after it is gone. They are as many as
// `start` lets be.
// Threads: any number at once. Waits only in get(), until the deadline it is given.
template <class Key, class Value, class Hash = std::hash<Key>>
class Cache {
  struct Node;
  struct Flight;
  struct Core;

 public:
  // Immutable once made.
  struct Entry {
    Result<Value> answer;
    MonotonicTime loaded_at, fresh_until, stale_until;
  };
  struct Hit {
    std::shared_ptr<const Entry> entry;  // never null
    using From = geo::From;
    From from;  // upstream: loaded since `now`, for this get() or another
  };

  // One call to the upstream, under way. Move-only. Exactly one finish(), from any thread; a Load that goes without it
  // finishes with upstream_unavailable, so nobody waits for ever.
  class Load {
   public:
    Load(Load&&) noexcept = default;
    Load& operator=(Load&& other) noexcept {
      const Load last(std::move(*this));
      core_ = std::move(other.core_);
      flight_ = std::move(other.flight_);
      return *this;
    }
    ~Load() {
      // the text is short enough to need no memory
      if (core_) finish(deny(ErrorCode::upstream_unavailable, "no answer came"), flight_->ended);
    }

    // Of a Load that was not moved from.
    const Key& key() const { return flight_->node->key; }
    // For a look(): whoever counts calls leaves it out.
    bool aside() const { return flight_->aside; }
    // ttl: what the upstream allows, if that is shorter than the limits'. A denial that is_failure() is told to those
    // who asked before `now` and to nobody else (a stale entry serves them instead); any other is kept for
    // negative_ttl. Without memory to keep it, the answer is told to those who wait.
    void finish(Result<Value> answer, MonotonicTime now, std::optional<std::chrono::milliseconds> ttl = {}) noexcept {
      if (const auto core = std::exchange(core_, nullptr)) core->finish(flight_, std::move(answer), now, ttl);
    }

   private:
    friend Cache;
    Load(std::shared_ptr<Core> core, std::shared_ptr<Flight> flight) noexcept
        : core_(std::move(core)), flight_(std::move(flight)) {}

    std::shared_ptr<Core> core_;  // null: finished
    std::shared_ptr<Flight> flight_;
  };

  Cache(CacheLimits limits, Stale stale) : core_(std::make_shared<Core>(limits)), stale_(stale) {}
  Cache(const Cache&) = delete;
  Cache& operator=(const Cache&) = delete;

  // Fresh: at once. Else `start`, a void(Load), is called - unless that key is under way - and, where `wait` allows it,
  // the answer waited for. Nothing: it is not at hand and waiting was not allowed, or the deadline passed first and
  // nothing stale may stand in.
  // `start` begins the call and returns at once; no lock of the cache is held, and it may finish the load before it
  // returns: then that answer is at hand. What it throws passes through, and the load is finished.
  // aside: look() instead.
  template <class Start>
  std::optional<Hit> get(const Key& key, MonotonicTime now, Wait wait, Start&& start, bool aside = false);

  // What get() would answer, by one who only looks: nothing is kept, counted or counted on afterwards. What is not at
  // hand is asked for this one alone, unless it is under way, and only where `wait` allows it; a stale entry that get()
  // would refresh is not.
  template <class Start>
  std::optional<Hit> look(const Key& key, MonotonicTime now, Wait wait, Start&& start);

  CacheStats stats() const;

 private:
  using Handle = std::shared_ptr<const Node>;
  using Salted = detail::SaltedHash<Key, Hash>;

  // What is fresh.
  Hit at_hand(Handle node, MonotonicTime now) {
    const bool new_to_all = node->entry.loaded_at >= now;
    (new_to_all ? core_->misses : core_->hits).add();
    return {entry_of(std::move(node)), new_to_all ? Hit::From::upstream : Hit::From::cache};
  }
  static std::shared_ptr<const Entry> entry_of(Handle node) {
    const Entry* entry = &node->entry;
    return {std::move(node), entry};
  }
  // What can be told of a call under way, or of what it was to replace.
  std::optional<Hit> landed(Flight& flight, Handle old, MonotonicTime now, Wait wait, bool at_once, bool counts = true);

  std::shared_ptr<Core> core_;
  Stale stale_;
};

template <class Key, class Value, class Hash>
struct Cache<Key, Value, Hash>::Node {
  Node(const Key& k, std::uint64_t h) : key(k), hash(h) {}

  Key key;
  std::uint64_t hash;
  detail::Visits visits;
  Entry entry{tl::unexpected<Denial>(Denial{}), {}, {}, {}};
};

// A call under way, and what came of it.
template <class Key, class Value, class Hash>
struct Cache<Key, Value, Hash>::Flight {
  Flight(const Key& key, std::uint64_t hash, MonotonicTime now, bool aside_ = false)
      : node(std::make_shared<Node>(key, hash)), aside(aside_), ended(now) {}

  // Has it ended, or does it until then?
  bool await(Wait wait) {
    std::unique_lock lock(mutex);
    if (wait.allowed()) landed.wait_until(lock, wait.deadline(), [this] { return done; });
    return done;
  }

  // Under the shard's lock.
  bool failed_before(MonotonicTime now) const { return failed && ended < now; }

  // Set before `done`: the memory for the answer is there before the call is made.
  const std::shared_ptr<Node> node;
  const bool aside;  // of a look(): its answer is told, not kept
  MonotonicTime ended;
  bool failed = false;  // and kept

  std::mutex mutex;
  std::condition_variable landed;
  bool done = false;
};

// What loads under way hold on to.
template <class Key, class Value, class Hash>
struct Cache<Key, Value, Hash>::Core {
  static_assert(std::is_nothrow_move_constructible_v<Value> && std::is_nothrow_move_assignable_v<Value>,
                "an answer must reach those who wait for it");

  struct alignas(64) Shard {
    // A failed one gives way to the next call for its key, or to the failed that come after it.
    void keep_failed(const std::shared_ptr<Flight>& flight, std::size_t at_most) {
      failed.push_back(flight);
      if (failed.size() <= at_most) return;
      const auto at = flights.find(failed.front()->node->key);
      if (at != flights.end() && at->second == failed.front()) flights.erase(at);
      failed.pop_front();
    }

    std::mutex mutex;
    detail::S3Fifo<Node> kept;
    std::unordered_map<Key, std::shared_ptr<Flight>, Salted> flights;  // under way, or failed of late
    std::deque<std::shared_ptr<Flight>> failed;                        // by their end
  };
  static constexpr std::size_t kShardsMax = 512, kShardEntriesMin = 1024, kFailedMax = 8192;

  explicit Core(CacheLimits l)
      : limits(l),
        salted{reinterpret_cast<std::uintptr_t>(this)},
        shards(std::bit_floor(std::clamp<std::size_t>(l.entries / kShardEntriesMin, 1, kShardsMax))),
        front_slots(detail::Front<Node>::slots_for(l.entries, kStripes)) {
    for (std::size_t i = 0; i < shards.size(); ++i) {
      const bool one_more = i < l.entries % shards.size();
      shards[i].kept = detail::S3Fifo<Node>(l.entries / shards.size() + (one_more ? 1 : 0));
      shards[i].flights = decltype(Shard::flights)(0, salted);
    }
  }

  // The high bits: the low ones say where in a shard.
  Shard& shard_of(std::uint64_t hash) { return shards[(hash >> 32) & (shards.size() - 1)]; }

  static MonotonicTime after(MonotonicTime now, std::chrono::milliseconds life) {
    const auto rest = std::chrono::floor<std::chrono::milliseconds>(MonotonicTime::max() - now);
    return now + std::clamp(life, std::chrono::milliseconds{0}, rest);
  }

  void finish(const std::shared_ptr<Flight>& flight, Result<Value> answer, MonotonicTime now,
              std::optional<std::chrono::milliseconds> ttl) {
    const std::shared_ptr<Node>& node = flight->node;
    Entry& entry = node->entry;
    const bool failed = !answer && is_failure(answer.error().code);
    const std::chrono::milliseconds life = answer ? limits.ttl : limits.negative_ttl;
    entry.loaded_at = now;
    entry.fresh_until = failed ? now : after(now, std::min(life, ttl.value_or(life)));
    entry.stale_until = answer ? after(entry.fresh_until, limits.stale) : entry.fresh_until;
    entry.answer = std::move(answer);
    flight->ended = now;
    if (failed && !flight->aside) failures.add();

    Handle gone;  // ends after the lock
    if (!flight->aside) {
      Shard& shard = shard_of(node->hash);
      const std::lock_guard lock(shard.mutex);
      try {
        if (failed) {
          shard.keep_failed(flight, kFailedMax / shards.size());
          flight->failed = true;
        } else if (now < entry.stale_until || shard.kept.find(node->hash, node->key)) {
          // one that is over at once still has to take the place of what was known before
          gone = shard.kept.put(node, now);
        }
      } catch (const std::bad_alloc&) {
      }
      if (!flight->failed) shard.flights.erase(node->key);
    }
    {
      const std::lock_guard lock(flight->mutex);
      flight->done = true;
    }
    flight->landed.notify_all();
  }

  const CacheLimits limits;
  const Salted salted;
  std::vector<Shard> shards;
  const std::size_t front_slots;
  std::array<detail::Front<Node>, kStripes> fronts;
  Counter hits, misses, stale, loads, failures;
};

template <class Key, class Value, class Hash>
template <class Start>
auto Cache<Key, Value, Hash>::get(const Key& key, MonotonicTime now, Wait wait, Start&& start, bool aside)
    -> std::optional<Hit> {
  if (aside) return look(key, now, wait, std::forward<Start>(start));
  static_assert(std::is_invocable_v<Start&, Load>, "start is a void(Load)");
  Core& core = *core_;
  const std::uint64_t hash = core.salted(key);
  auto& front = core.fronts[thread_stripe()];
  auto [node, wanted] = front.find(hash, key, now, core.front_slots);
  if (node) {
    node->visits.add();
    return at_hand(std::move(node), now);
  }

  Handle old;  // past its ttl, not past the stale window
  std::shared_ptr<Flight> flight;
  std::optional<Load> load;
  {
    auto& shard = core.shard_of(hash);
    const std::lock_guard lock(shard.mutex);
    if (const Handle* kept = shard.kept.find(hash, key)) {
      const Entry& entry = (*kept)->entry;
      wanted = (*kept)->visits.add() != 0 && wanted;
      if (now < entry.fresh_until) {
        node = *kept;
      } else if (now < entry.stale_until) {
        old = *kept;
      }
    }
    if (!node) {
      const auto found = shard.flights.find(key);
      if (found != shard.flights.end() && !found->second->failed_before(now)) {
        flight = found->second;
      } else {
        flight = std::make_shared<Flight>(key, hash, now);
        shard.flights.insert_or_assign(key, flight);
        load.emplace(Load(core_, flight));
      }
    }
  }
  if (node) {
    if (wanted) front.keep(node);
    return at_hand(std::move(node), now);
  }
  if (load) {
    core.loads.add();
    start(Load(*std::move(load)));
  }
  const bool at_once = old && stale_ == Stale::while_refreshed;
  return landed(*flight, std::move(old), now, at_once ? Wait::never() : wait, at_once);
}

template <class Key, class Value, class Hash>
template <class Start>
auto Cache<Key, Value, Hash>::look(const Key& key, MonotonicTime now, Wait wait, Start&& start) -> std::optional<Hit> {
  const std::uint64_t hash = core_->salted(key);
  Handle old;
  std::shared_ptr<Flight> flight;
  {
    auto& shard = core_->shard_of(hash);
    const std::lock_guard lock(shard.mutex);
    if (const Handle* kept = shard.kept.find(hash, key)) {
      const Entry& entry = (*kept)->entry;
      if (now < entry.fresh_until)
        return Hit{entry_of(*kept), entry.loaded_at >= now ? Hit::From::upstream : Hit::From::cache};
      if (now < entry.stale_until) old = *kept;
    }
    const auto found = shard.flights.find(key);
    if (found != shard.flights.end() && !found->second->failed_before(now)) flight = found->second;
  }
  if (old && stale_ == Stale::while_refreshed) return Hit{entry_of(std::move(old)), Hit::From::stale};
  if (!flight) {
    if (!wait.allowed()) return {};
    flight = std::make_shared<Flight>(key, hash, now, true);
    start(Load(core_, flight));
  }
  return landed(*flight, std::move(old), now, wait, false, false);
}

template <class Key, class Value, class Hash>
auto Cache<Key, Value, Hash>::landed(Flight& flight, Handle old, MonotonicTime now, Wait wait, bool at_once,
                                     bool counts) -> std::optional<Hit> {
  const bool done = flight.await(wait);
  const Result<Value>& answer = flight.node->entry.answer;
  if (!done || (!answer && is_failure(answer.error().code))) {
    // by now, as far as this can be known without a clock
    const MonotonicTime then = std::max(now, done ? flight.ended : wait.deadline());
    if (old && (done || at_once || wait.allowed()) && then < old->entry.stale_until) {
      if (counts) core_->stale.add();
      return Hit{entry_of(std::move(old)), Hit::From::stale};
    }
  }
  if (counts && (done || wait.allowed())) core_->misses.add();
  if (!done) return {};
  return Hit{entry_of(flight.node), Hit::From::upstream};
}

template <class Key, class Value, class Hash>
CacheStats Cache<Key, Value, Hash>::stats() const {
  std::size_t entries = 0;
  for (auto& shard : core_->shards) {
    const std::lock_guard lock(shard.mutex);
    entries += shard.kept.size();
  }
  return {core_->hits.sum(),  core_->misses.sum(),   core_->stale.sum(),
          core_->loads.sum(), core_->failures.sum(), entries};
}

}  // namespace geo
