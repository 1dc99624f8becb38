// The one thread: whose check is due, whose name is known, who has answered.
#pragma once

#include <atomic>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <thread>
#include <unordered_map>
#include <vector>

#include "geo/base/guarded.h"
#include "geo/io/checks.h"
#include "io/checks/fetches.h"
#include "io/checks/names.h"
#include "io/checks/schedule.h"

namespace geo::io::checks {

class Loop {
 public:
  Loop(const CheckSettings& settings, const Clock& clock, std::function<void(const CheckResult&)> told,
       Names::LookUp look_up);
  ~Loop();
  Loop(const Loop&) = delete;
  Loop& operator=(const Loop&) = delete;

  void watch(std::vector<CheckTarget> targets);

 private:
  void run();
  void take_over();
  void start_due();
  void start(std::shared_ptr<Target> target, MonotonicTime now);
  void finish(Ended ended);
  // Until there is something to do, but for what wakes.
  std::chrono::milliseconds pause();

  const CheckSettings settings_;
  const Clock& clock_;
  const std::function<void(const CheckResult&)> told_;
  Guarded<std::optional<std::vector<CheckTarget>>> watched_;  // not yet taken over
  std::atomic<bool> stopping_{false};
  // The thread's own.
  Schedule schedule_;
  Fetches fetches_;
  Names names_;
  std::unordered_map<std::string, std::vector<std::shared_ptr<Target>>> nameless_;  // by host, until it is looked up
  std::thread thread_;
};

}  // namespace geo::io::checks
