// /status.json: how a running geod is doing, for people and scripts.
#pragma once

#include <atomic>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "access_log.h"
#include "counts.h"
#include "geo/balance.h"
#include "geo/base/cache.h"
#include "geo/base/clock.h"
#include "geo/base/upstream.h"
#include "geo/compose.h"
#include "reloads.h"

namespace geod {

// What of the process itself is told.
struct Process {
  std::string version;
  geo::MonotonicTime started;
  const Reloads* reloads = nullptr;                       // null: not ready yet
  std::vector<std::unique_ptr<ListenerCounts>> counts{};  // of the listeners that come before admin
  std::vector<std::unique_ptr<Occupancy>> occupancies{};  // of all listeners
  AccessLog* access_log = nullptr;                        // null: off
  std::atomic<bool> draining{false};                      // SIGTERM has come
};

// When it is told.
struct Now {
  geo::WallTime wall;
  geo::MonotonicTime monotonic;
  const Process& process;

  // Of something that Unix time tells the beginning of; never below 0, whatever the clocks say.
  std::int64_t age_s(std::uint64_t epoch_s) const;
  std::int64_t uptime_s() const;
};

// The store and the auth-server, where they are asked over the network. Providers tell of themselves.
std::vector<geo::UpstreamStatus> upstreams_of(const geo::compose::World& world, geo::MonotonicTime now);
using CacheOf = geo::io::MongoStore::CacheOf;
// All that the config knows; what is not in use counts nothing.
std::vector<CacheOf> caches_of(const geo::compose::World& world);
// Since the topology in service was last known to be the store's own.
std::int64_t snapshot_age_s(const geo::compose::World& world, const Now& now);

// Why nobody can be served; empty: somebody can.
std::vector<std::string> reasons_not_ready(const geo::compose::World& world, const Process& process);

// Shape: {"version":..,"uptime_s":..,"snapshot":{..},"nodes":[..],"groups":[..],"caches":{..},"last_reload":{..},
//         "resolver":{"providers":[..],"files":[..]},"upstreams":[..]}
void append_status(std::string& out, const geo::compose::World& world, const Now& now);

}  // namespace geod
