// Threads that may wait, so that event loops need not.
#pragma once

#include <chrono>
#include <condition_variable>
#include <deque>
#include <functional>
#include <mutex>
#include <thread>
#include <vector>

#include "geo/base/export.h"

namespace geo::io {

// Threads: submit() from any. One of its own from the start, the others once there is more to do than those can take.
class GEO_EXPORT Workers {
 public:
  // Throws std::system_error where not even one thread can be started.
  Workers(std::size_t threads_max, std::size_t queue_max);
  // Finishes what is queued.
  ~Workers();
  Workers(const Workers&) = delete;
  Workers& operator=(const Workers&) = delete;

  // False: too much is waiting already, or the end has come.
  bool submit(std::function<void()> job);
  // Takes nothing new; max: waits however long it takes. False: what is queued or running was not finished in time.
  bool stop(std::chrono::steady_clock::time_point deadline);

 private:
  void start();
  void run();

  const std::size_t threads_max_, queue_max_;
  std::mutex mutex_;
  std::condition_variable wake_, done_;
  std::deque<std::function<void()>> queue_;
  std::size_t idle_ = 0, running_ = 0;
  bool stopping_ = false;
  std::vector<std::thread> threads_;
};

}  // namespace geo::io
