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

// What a program needs of the graph, and what-ifs.
struct Options {
  bool serving = false;               // as geod starts: each listener has what it needs, keys are needed by some alone
  bool signing = true;                // false: keys are neither read nor needed
  bool credentials_may_lack = false;  // a check outside the service: credential:NAME is noted where there are none
  std::vector<std::string> down;      // node ids that act as admin = "offline"
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
  mutable bool states_settled = false;
};

struct Built {
  std::shared_ptr<World> world;  // null where there are faults
  Faults faults;
  std::vector<std::string> notes;  // what could not be checked and is no fault
};
GEO_EXPORT Built build(const config::Config& config, const Options& options = {});
// With the config's own faults: what else is wrong - data, keys, databases - is told in the same run, but for the parts
// whose section has a fault.
GEO_EXPORT Built build(const config::Read& read, const Options& options = {});

// Re-reads states.toml into `world` if it changed since the last good read. The reports that can be read are taken up,
// whatever else stands there; of a file that is no TOML none, and the old ones stay. Faults: what was wrong, told once
// per change. Blocks on the file; one thread at a time.
GEO_EXPORT Faults refresh_states(const World& world);

}  // namespace geo::compose
