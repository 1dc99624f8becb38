// City databases that change while geod runs: looked after in a thread of their own, since reading one takes seconds.
#pragma once

#include <string>
#include <vector>

#include "app_log.h"
#include "geo/base/clock.h"
#include "repeated.h"
#include "worlds.h"

namespace geod {

// "FILE is in service: .."
std::string in_service(const geo::io::MmdbInfo& info);

// Those that a change brought. Whoever made it tells of them, and nobody else does.
std::vector<geo::io::MmdbInfo> new_databases(const Worlds::Changed& changed);

class Databases {
 public:
  // Throws std::system_error where the thread cannot be started.
  Databases(Worlds& worlds, const geo::Clock& clock, const AppLog& log);

  // Begins nothing new. False: a file was still being read at the deadline.
  bool stop(geo::MonotonicTime deadline) { return repeated_.stop(deadline); }

 private:
  geo::MonotonicTime refresh();

  Worlds& worlds_;
  const geo::Clock& clock_;
  const AppLog& log_;
  Repeated repeated_;  // the last: its thread uses all else
};

}  // namespace geod
