// Who of the nodes is up: what their checks say, a look a few times a second, what changed in the log.
#pragma once

#include <string>

#include "app_log.h"
#include "node_checks.h"
#include "repeated.h"
#include "worlds.h"

namespace geod {

// A change of a node's state, in the log. why_check: why its last check failed, where that is known.
void tell(const AppLog& log, const std::string& node, const geo::balance::StateChange& change,
          const std::string& why_check);

// What a geod that starts has found of them, counted as changes too.
void tell_first_states(const AppLog& log, const geo::compose::World& world);

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

  Worlds& worlds_;
  const geo::Clock& clock_;
  const AppLog& log_;
  NodeChecks checks_;
  Repeated repeated_;  // the last: its thread uses the others
};

}  // namespace geod
