// City databases while geod runs: those that change are taken up, and their indexes kept for the next start; in a
// thread of their own, since either takes its time.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "app_log.h"
#include "geo/base/clock.h"
#include "geo/io/mmdb.h"
#include "repeated.h"
#include "worlds.h"

namespace geod {

// "FILE is in service: .."
std::string in_service(const geo::io::CityIndex& index);

// Those that a change brought. Whoever made it tells of them, and nobody else does.
std::vector<std::shared_ptr<const geo::io::CityIndex>> new_databases(const Worlds::Changed& changed);

class Databases {
 public:
  // Throws std::system_error where the thread cannot be started.
  Databases(Worlds& worlds, const geo::Clock& clock, const AppLog& log);

  // Begins nothing new. False: a file was still being read at the deadline.
  bool stop(geo::MonotonicTime deadline) { return repeated_.stop(deadline); }

 private:
  geo::MonotonicTime look();
  // Was one taken up?
  bool refresh();
  void keep();

  Worlds& worlds_;
  const geo::Clock& clock_;
  const AppLog& log_;
  std::weak_ptr<const geo::compose::World> kept_of_;  // whose indexes all are kept
  geo::MonotonicTime next_keeping_ = geo::MonotonicTime::min();
  std::string trouble_told_;  // why an index could not be kept
  Repeated repeated_;         // the last: its thread uses all else
};

}  // namespace geod
