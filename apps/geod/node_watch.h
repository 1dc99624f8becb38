// Who of the nodes is up: a look a few times a second, what changed in the log.
#pragma once

#include "app_log.h"
#include "repeated.h"
#include "worlds.h"

namespace geod {

class NodeWatch {
 public:
  NodeWatch(Worlds& worlds, const geo::Clock& clock, const AppLog& log);

  bool stop(geo::MonotonicTime deadline) { return repeated_.stop(deadline); }

 private:
  geo::MonotonicTime look();

  Worlds& worlds_;
  const geo::Clock& clock_;
  const AppLog& log_;
  Repeated repeated_;  // the last: its thread uses the others
};

}  // namespace geod
