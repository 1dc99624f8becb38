// How an upstream fares: what became of what it was asked, and whether it is left alone for now.
#pragma once

#include <array>
#include <chrono>
#include <cstdint>
#include <functional>
#include <mutex>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "geo/base/breaker.h"
#include "geo/base/clock.h"
#include "geo/base/counter.h"

namespace geo {

// refused: no call was made.
enum class Outcome : std::uint8_t { found, unknown, failed, refused };
inline constexpr std::array<std::string_view, 4> kOutcomeNames{"found", "unknown", "failed", "refused"};

// Threads: any.
class Tally {
 public:
  using Sums = std::array<std::uint64_t, kOutcomeNames.size()>;
  void add(Outcome outcome) { counters_[static_cast<std::size_t>(outcome)].add(); }
  Sums sums() const {
    Sums sums{};
    for (std::size_t i = 0; i < sums.size(); ++i) sums[i] = counters_[i].sum();
    return sums;
  }

 private:
  std::array<Counter, kOutcomeNames.size()> counters_;
};

// A call that was made, for those who look for trouble; its texts are without secrets, and its teller's.
struct Call {
  std::string_view upstream;  // "store"
  std::string_view what;      // "3 of tokens"
  std::string_view outcome;   // "answered", "not reachable: connection refused"
  MonotonicTime::duration took{};
  bool routine = false;  // made again and again, with nothing new
};
// Told of each, from any thread.
using ToldOfCalls = std::function<void(const Call&)>;

// For /status.json and metrics.
struct UpstreamStatus {
  // Calls of a kind that may leave now.
  struct Budget {
    std::string_view kind;
    std::size_t calls = 0;
  };

  std::string_view name;
  Breaker::State state = Breaker::State::closed;
  std::string last_error;  // without secrets; empty: none since the start
  Tally::Sums calls{};
  std::vector<Budget> budgets{};  // none: its calls are not limited
};

// Threads: any.
class Health {
 public:
  explicit Health(ToldOfCalls told = {}) : told_(std::move(told)) {}

  Breaker breaker;
  Tally calls;

  void tell(const Call& call) const {
    if (told_) told_(call);
  }

  void note(std::string error) {
    const std::lock_guard lock(mutex_);
    last_error_ = std::move(error);
  }
  UpstreamStatus status(std::string_view name, MonotonicTime now) const {
    UpstreamStatus status{name, breaker.state(now), {}, calls.sums(), {}};
    const std::lock_guard lock(mutex_);
    status.last_error = last_error_;
    return status;
  }

 private:
  const ToldOfCalls told_;
  mutable std::mutex mutex_;
  std::string last_error_;
};

}  // namespace geo
