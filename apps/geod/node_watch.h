// Who of the nodes is up: a look a few times a second, what changed in the log.
#pragma once

#include <array>
#include <cstdint>
#include <map>
#include <string>

#include "app_log.h"
#include "current_world.h"
#include "geo/base/guarded.h"
#include "repeated.h"

namespace geod {

class NodeWatch {
 public:
  NodeWatch(Worlds& worlds, const geo::Clock& clock, const AppLog& log);

  bool stop(geo::MonotonicTime deadline) { return repeated_.stop(deadline); }

  // By node id and State: how often it became that.
  using Changes = std::map<std::string, std::array<std::uint64_t, geo::balance::kStateNames.size()>>;
  Changes changes() {
    return changes_.with([](const Changes& changes) { return changes; });
  }

 private:
  geo::MonotonicTime look();

  Worlds& worlds_;
  const geo::Clock& clock_;
  const AppLog& log_;
  geo::Guarded<Changes> changes_;
  Repeated repeated_;  // the last: its thread uses the others
};

}  // namespace geod
