// Runs checks as geod does and waits for what they tell.
#pragma once

#include <algorithm>
#include <chrono>
#include <condition_variable>
#include <functional>
#include <mutex>
#include <stdexcept>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "geo/io/system.h"
#include "io/checks/loop.h"

namespace geo::io::checks {

inline CheckSettings often() {
  CheckSettings settings;
  settings.interval = std::chrono::milliseconds(20);
  settings.timeout = std::chrono::seconds(20);
  return settings;
}
// For peers that never come to an end.
inline CheckSettings impatient() {
  CheckSettings settings = often();
  settings.timeout = std::chrono::milliseconds(200);
  return settings;
}

inline Names::LookUp always(std::string addresses) {
  return [addresses = std::move(addresses)](const std::string&) { return Found{.addresses = addresses, .why = {}}; };
}

class Watching {
 public:
  using Results = std::vector<CheckResult>;

  explicit Watching(const CheckSettings& settings, Names::LookUp look_up_ = look_up)
      : loop_(
            settings, clock_, [this](const CheckResult& result) { take(result); }, std::move(look_up_)) {}

  void watch(std::vector<CheckTarget> targets) { loop_.watch(std::move(targets)); }
  // Waits until that holds of all results so far.
  Results until(const std::function<bool(const Results&)>& holds) {
    std::unique_lock lock(mutex_);
    if (!more_.wait_for(lock, std::chrono::seconds(60), [&] { return holds(results_); }))
      throw std::runtime_error("the results did not come");
    return results_;
  }
  CheckResult first() {
    return until([](const Results& all) { return !all.empty(); }).front();
  }
  static std::ptrdiff_t count(const Results& all, std::string_view id) {
    return std::count_if(all.begin(), all.end(), [&](const CheckResult& each) { return each.id == id; });
  }

 private:
  void take(const CheckResult& result) {
    const std::lock_guard lock(mutex_);
    results_.push_back(result);
    more_.notify_all();
  }

  std::mutex mutex_;
  std::condition_variable more_;
  Results results_;
  SystemClock clock_;
  Loop loop_;
};

inline CheckResult check_once(const std::string& url, const CheckSettings& settings = often(),
                              Names::LookUp look_up_ = look_up) {
  Watching watching(settings, std::move(look_up_));
  watching.watch({{"n", url}});
  return watching.first();
}

// "passed", or why not.
inline std::string verdict(const CheckResult& result) {
  if (result.outcome == CheckOutcome::passed) return result.why.empty() ? "passed" : "passed, but " + result.why;
  return (result.outcome == CheckOutcome::not_made ? "not made: " : "") + result.why;
}

}  // namespace geo::io::checks
