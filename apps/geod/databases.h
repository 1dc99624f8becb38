// City databases that change while geod runs: looked after in a thread of their own, since reading one takes seconds.
#pragma once

#include <condition_variable>
#include <memory>
#include <mutex>
#include <thread>
#include <vector>

#include "app_log.h"
#include "current_world.h"
#include "geo/base/clock.h"

namespace geod {

class Databases {
 public:
  // Throws std::system_error where the thread cannot be started.
  Databases(Worlds& worlds, const geo::Clock& clock, const AppLog& log);
  // Waits for a file that is being read; stop() first, where that would be too long.
  ~Databases();
  Databases(const Databases&) = delete;
  Databases& operator=(const Databases&) = delete;

  // The next look is now.
  void look();
  // Begins nothing new. False: a file was still being read at the deadline.
  bool stop(geo::MonotonicTime deadline);

 private:
  void run();
  void refresh();

  Worlds& worlds_;
  const geo::Clock& clock_;
  const AppLog& log_;
  // Worlds of the past: they hold large tables, and an event loop that let go of one last would stand still meanwhile.
  std::vector<std::shared_ptr<const geo::compose::World>> past_;

  std::mutex mutex_;
  std::condition_variable wake_, done_;
  bool ending_ = false, wanted_ = false, finished_ = false;
  std::thread thread_;
};

}  // namespace geod
