// Which node's check is due, and when the next one will be.
#pragma once

#include <chrono>
#include <functional>
#include <memory>
#include <queue>
#include <string>
#include <unordered_map>
#include <vector>

#include "geo/base/clock.h"
#include "geo/io/checks.h"

namespace geo::io::checks {

struct Target {
  CheckTarget node;
  MonotonicTime due, began;
  bool watched = true;
  bool keeps_connection = true;
  bool waited_for_name = false;  // in the check under way
};

// Threads: none; `now` is passed in.
class Schedule {
 public:
  // dice: of [0, 1).
  Schedule(std::chrono::milliseconds interval, int jitter_percent, std::size_t connections_max,
           std::function<double()> dice);

  void watch(std::vector<CheckTarget> targets, MonotonicTime now);

  // The one that has been due for the longest; it comes no more until it is put back or done. Null: none is due.
  std::shared_ptr<Target> take(MonotonicTime now);
  // As if it had not been taken.
  void put_back(std::shared_ptr<Target> target);
  void done(std::shared_ptr<Target> target, MonotonicTime now);
  // When the next one is due; max(): there is none.
  MonotonicTime next();

 private:
  struct Later {
    bool operator()(const std::shared_ptr<Target>& a, const std::shared_ptr<Target>& b) const {
      return a->due > b->due;
    }
  };
  // Takes those that have gone from the front.
  void tidy();

  const std::chrono::nanoseconds interval_;
  const double jitter_;
  const std::size_t connections_max_;
  const std::function<double()> dice_;
  std::unordered_map<std::string, std::shared_ptr<Target>> targets_;  // by id
  std::priority_queue<std::shared_ptr<Target>, std::vector<std::shared_ptr<Target>>, Later> waiting_;
};

}  // namespace geo::io::checks
