// The nodes asked how they are, by geod itself: which of them, and what the last answer was.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <unordered_map>

#include "app_log.h"
#include "geo/base/clock.h"
#include "geo/base/guarded.h"
#include "geo/io/checks.h"
#include "worlds.h"

namespace geod {

// Threads: why() from any; watch() from one.
class NodeChecks {
 public:
  // turned: called by the thread of the checks where a node's state may follow from one.
  NodeChecks(Worlds& worlds, const geo::Clock& clock, const AppLog& log, std::string user_agent,
             std::function<void()> turned);

  // From now on those of this world, which is in service and has a topology. Throws std::system_error where the thread
  // cannot be started.
  void watch(const std::shared_ptr<const geo::compose::World>& world);

  // No check any more, and none is told of. After the last watch().
  void end() { checks_.reset(); }

  // Why the node's last check failed; empty: it passed, or none has been made.
  std::string why(const std::string& node);

 private:
  void take(const geo::io::CheckResult& result);
  void tell(const geo::io::CheckResult& result) const;

  Worlds& worlds_;
  const geo::Clock& clock_;
  const AppLog& log_;
  const std::string user_agent_;
  const std::function<void()> turned_;
  std::shared_ptr<const geo::compose::World> watched_;
  geo::io::CheckSettings settings_;                                  // of checks_
  geo::Guarded<std::unordered_map<std::string, std::string>> whys_;  // of those that are checked
  geo::MonotonicTime next_warning_ = geo::MonotonicTime::min();      // of checks that were not made
  std::unique_ptr<geo::io::Checks> checks_;  // null: nobody has been checked yet; the last: its thread uses the others
};

}  // namespace geod
