// The config and the world a command works on, by the same code as geod.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "geo/compose.h"
#include "geo/config.h"
#include "session.h"

namespace geoctl {

// --config FILE; else, unless --data is given, ./geod.toml or /etc/geod/geod.toml; else the defaults. Then the
// environment, then --data.
geo::config::Read read_config(const Session& session, geo::config::IfBroken if_broken = geo::config::IfBroken::nothing);

// What a command needs of the world; the rest is neither read nor held against it.
struct Wanted {
  bool signing = false;   // the keys: whoever does not sign or verify needs no access to secrets
  bool locating = false;  // the providers' databases
  bool topology = true;   // false: does without a store where [store] kind is "none"
  std::string provider;   // resolve --provider
};
// Null: what is wrong was told, and this is how to end.
struct Opened {
  std::shared_ptr<const geo::compose::World> world;
  int exit_status = geo::kExitOk;
};
Opened open_world(Session& session, const Wanted& wanted);

geo::WallTime now();
// As long as a request may take.
geo::Wait patience(const geo::compose::World& world);
// Asked at `wall`, by a clock that may have been set by hand, and now.
geo::Moment moment(const geo::compose::World& world, geo::WallTime wall);

}  // namespace geoctl
