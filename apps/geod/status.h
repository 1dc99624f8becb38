// /status.json: how a running geod is doing, for people and scripts.
#pragma once

#include <string>

#include "geo/balance.h"
#include "geo/base/clock.h"
#include "geo/compose.h"

namespace geod {

// What of the process itself is told.
struct Process {
  std::string version;
  geo::MonotonicTime started;
};

// When it is told.
struct Moment {
  geo::WallTime wall;
  geo::MonotonicTime monotonic;
  const Process& process;

  // Of something that Unix time tells the beginning of; never below 0, whatever the clocks say.
  std::int64_t age_s(std::uint64_t epoch_s) const;
  std::int64_t uptime_s() const;
};

// Shape: {"version":..,"uptime_s":..,"snapshot":{..},"nodes":[..],"groups":[..],"caches":{..},"last_reload":null,
//         "resolver":{"providers":[..],"files":[..]}}
void append_status(std::string& out, const geo::compose::World& world, const geo::balance::States& states,
                   const Moment& moment);

}  // namespace geod
