// Who of the nodes is up: what their checks say, a look a few times a second, what changed in the log.
#pragma once

#include <string>

#include "app_log.h"
#include "node_checks.h"
#include "repeated.h"
#include "worlds.h"

namespace geod {

class NodeWatch {
 public:
  // user_agent: of checks. Throws std::system_error where the thread cannot be started.
  NodeWatch(Worlds& worlds, const geo::Clock& clock, const AppLog& log, std::string user_agent);
  ~NodeWatch();
  NodeWatch(const NodeWatch&) = delete;
  NodeWatch& operator=(const NodeWatch&) = delete;

  bool stop(geo::MonotonicTime deadline) { return repeated_.stop(deadline); }

 private:
  geo::MonotonicTime look();
  void tell(const std::string& node, const geo::balance::StateChange& change);

  Worlds& worlds_;
  const geo::Clock& clock_;
  const AppLog& log_;
  NodeChecks checks_;
  Repeated repeated_;  // the last: its thread uses the others
};

}  // namespace geod
