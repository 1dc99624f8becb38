// What geod tells the service manager that has started it (systemd; sd_notify(3)). Where there is none, nobody is told.
//
// Shape: READY=1, STATUS=listening on redirect 0.0.0.0:8080; WATCHDOG=1; RELOADING=1, READY=1; STOPPING=1
// Threads: ready() and reloading() from any; all else from one.
#pragma once

#include <chrono>
#include <functional>
#include <string>

#include "geo/base/clock.h"

namespace geod {

class ServiceManager {
 public:
  explicit ServiceManager(const geo::Clock& clock);

  void ready() const;
  // Everything is being read anew; ready() follows, whatever comes of it.
  void reloading() const;
  // At most so long, whatever the service manager would wait otherwise.
  void stopping(std::chrono::seconds at_most) const;
  // For people; what has been told is not told again.
  void status(const std::string& line);

  // Is one to be told that we live every half of WATCHDOG_USEC? Then it is done where it is due and `lives` says so;
  // where that says no, it is asked again with each call.
  void watch(const std::function<bool()>& lives);
  // For how long nothing has to be called.
  std::chrono::nanoseconds patience(std::chrono::nanoseconds most) const;

 private:
  const geo::Clock& clock_;
  std::chrono::nanoseconds watchdog_period_{0};  // 0: nobody watches
  geo::MonotonicTime next_;
  std::string told_;
};

}  // namespace geod
