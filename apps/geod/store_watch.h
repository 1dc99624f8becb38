// The store while geod runs: what nodes report, and a topology that changes.
#pragma once

#include <memory>
#include <string>

#include "app_log.h"
#include "geo/base/clock.h"
#include "repeated.h"
#include "worlds.h"

namespace geod {

class StoreWatch {
 public:
  // Throws std::system_error where the thread cannot be started.
  StoreWatch(Worlds& worlds, const geo::Clock& clock, const AppLog& log);

  // Begins no other look. False: one was still under way at the deadline.
  bool stop(geo::MonotonicTime deadline) { return repeated_.stop(deadline); }

 private:
  geo::MonotonicTime look();
  void look_at_topology();
  void keep_last_good(geo::MonotonicTime now);

  Worlds& worlds_;
  const geo::Clock& clock_;
  const AppLog& log_;
  std::shared_ptr<const geo::io::MongoStore> store_;  // as of the last look
  geo::compose::TopologyInfo topology_;               // likewise
  std::shared_ptr<const geo::compose::Watched> watched_;
  // Of what is done now and then.
  geo::MonotonicTime next_topology_{}, next_states_{}, next_keeping_{};
  std::string trouble_told_;  // why the last good topology could not be kept
  Repeated repeated_;         // the last: its thread uses all else
};

}  // namespace geod
