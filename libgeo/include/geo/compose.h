// Config -> the object graph; the only place that knows every adapter.
#pragma once

#include <filesystem>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "geo/balance.h"
#include "geo/base/clock.h"
#include "geo/base/export.h"
#include "geo/base/fault.h"
#include "geo/base/published.h"
#include "geo/client.h"
#include "geo/config.h"
#include "geo/redirect.h"

namespace geo::compose {

// What is left out or changed on purpose.
struct Options {
  bool without_signing = false;   // geoctl with --data alone: there are no keys
  bool without_data = false;      // verify runs with keys alone
  std::vector<std::string> down;  // node ids that act as admin = "offline" (a what-if)
  std::vector<std::string> drain;
};

// Owns: everything that requests are decided by. Immutable but for the states.
struct World {
  config::Config config;
  redirect::Snapshot snapshot;
  client::TrustedProxies trusted_proxies;
  bool has_topology = false;
  mutable Published<balance::States> states;

  // Of the states.toml read last; nothing: it was not there. refresh_states() alone touches it.
  mutable std::optional<std::filesystem::file_time_type> states_stamp;
};

struct Built {
  std::shared_ptr<World> world;  // null where there are faults
  Faults faults;
};
GEO_EXPORT Built build(const config::Config& config, const Options& options = {});

// Re-reads states.toml into `world` if it changed since the last call. Faults: it could not be read, the old states
// stay. Blocks on the file; one thread at a time.
GEO_EXPORT Faults refresh_states(const World& world);

}  // namespace geo::compose
