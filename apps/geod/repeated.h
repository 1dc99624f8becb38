// Work that is done again and again, in a thread of its own, since it may take long; whoever asks geod goes first.
#pragma once

#include <condition_variable>
#include <functional>
#include <mutex>
#include <thread>

#include "app_log.h"
#include "geo/base/clock.h"

namespace geod {

// Threads: any; the work belongs to this one's.
class Repeated {
 public:
  // `look` tells when it is to be done next; what it throws is logged as that of `what`, "the store", which has to be
  // static text. Throws std::system_error where the thread cannot be started.
  Repeated(const char* what, const geo::Clock& clock, const AppLog& log, std::function<geo::MonotonicTime()> look);
  // Waits for what is under way; stop() first, where that would be too long.
  ~Repeated();
  Repeated(const Repeated&) = delete;
  Repeated& operator=(const Repeated&) = delete;

  // The next look is now.
  void now();
  // Begins nothing new. False: a look was still under way at the deadline.
  bool stop(geo::MonotonicTime deadline);

 private:
  void run();
  geo::MonotonicTime look() const;

  const char* const what_;
  const geo::Clock& clock_;
  const AppLog& log_;
  const std::function<geo::MonotonicTime()> look_;

  std::mutex mutex_;
  std::condition_variable wake_, done_;
  bool ending_ = false, wanted_ = false, finished_ = false;
  std::thread thread_;
};

}  // namespace geod
