// The store while geod runs: what nodes report, and a topology that changes. In a thread of its own, since a store may
// be slow.
#pragma once

#include <condition_variable>
#include <mutex>
#include <string>
#include <thread>

#include "app_log.h"
#include "current_world.h"
#include "geo/base/clock.h"

namespace geod {

class StoreWatch {
 public:
  // Throws std::system_error where the thread cannot be started.
  StoreWatch(Worlds& worlds, const geo::Clock& clock, const AppLog& log);
  // Waits for the look under way: [deadline] store_ms and a little.
  ~StoreWatch();
  StoreWatch(const StoreWatch&) = delete;
  StoreWatch& operator=(const StoreWatch&) = delete;

  // Begins no other look. False: one was still under way at the deadline.
  bool stop(geo::MonotonicTime deadline);

 private:
  void run();
  // Whatever goes wrong is logged.
  void look(geo::MonotonicTime now);
  void look_at_topology();
  void keep_last_good(geo::MonotonicTime now);

  Worlds& worlds_;
  const geo::Clock& clock_;
  const AppLog& log_;
  // Of what is done now and then.
  geo::MonotonicTime next_topology_{}, next_states_{}, next_keeping_{};
  std::string trouble_told_;  // why the last good topology could not be kept

  std::mutex mutex_;
  std::condition_variable wake_, done_;
  bool ending_ = false, finished_ = false;
  std::thread thread_;
};

}  // namespace geod
