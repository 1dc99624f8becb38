// One cache for all that is asked of an upstream: bounded, with a life for what was found and for what was not, a
// window in which old answers still serve, and one upstream call per key however many wait for it.
//
// An entry's life, time from left to right:
//
//   get(): miss -> Start -> Load.finish(answer)
//                              |<---- ttl (negative_ttl) ---->|<------- stale ------->|
//                              fresh: served                   stale: see Stale        gone
//
// A hit takes no lock that another core's hits take: each thread has a small table of its own (a stripe) before the
// shards. Replacement in a shard is S3-FIFO (Yang, Zhang, Qiu, Yue, Rashmi: "FIFO queues are all you need for cache
// eviction", SOSP 2023): what is asked once passes through a small queue and never pushes out what is asked again.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>

#include "geo/base/clock.h"
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

// Is that refusal the upstream's trouble, which is not kept, or an answer like any other ("unknown"), which is?
constexpr bool is_failure(ErrorCode code) {
  return code == ErrorCode::upstream_unavailable || code == ErrorCode::deadline_exceeded || code == ErrorCode::internal;
}

// Threads: any number at once. Waits only in get(), until the deadline it is given.
template <class Key, class Value, class Hash = std::hash<Key>>
class Cache {
 public:
  // Immutable once made.
  struct Entry {
    Result<Value> answer;
    MonotonicTime loaded_at, fresh_until, stale_until;
  };
  struct Hit {
    std::shared_ptr<const Entry> entry;  // never null
    enum class From : std::uint8_t {
      upstream /* loaded at or after `now` */,
      cache,
      stale
    } from;
  };

  // One call to the upstream, under way. Move-only. Exactly one finish(); a Load that goes without it finishes with
  // upstream_unavailable, so nobody waits for ever.
  class Load {
   public:
    const Key& key() const;
    // ttl: what the upstream allows, if that is shorter than the limits'. A denial that is_failure() is told to those
    // who wait and not kept (a stale entry serves them instead); any other is kept for negative_ttl.
    void finish(Result<Value> answer, MonotonicTime now, std::optional<std::chrono::milliseconds> ttl = {});
  };
  // Begins the call and returns at once, with no lock of the cache held; it may finish the load before it returns.
  using Start = std::function<void(Load)>;  // implementer: a template parameter may be better (no allocation)

  Cache(CacheLimits limits, Stale stale);

  // Fresh: at once. Else `start` is called - unless that key is under way - and, where `wait` allows it, the answer
  // waited for. Nothing: it is not at hand and waiting was not allowed, or the deadline passed first.
  std::optional<Hit> get(const Key& key, MonotonicTime now, Wait wait, Start start);

  struct Stats {
    std::uint64_t hits, misses, stale, loads, failures;
    std::size_t entries;
  };
  Stats stats() const;
};

}  // namespace geo
