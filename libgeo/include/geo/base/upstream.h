// How an upstream fares: what became of what it was asked, and whether it is left alone for now.
#pragma once

#include <array>
#include <cstdint>
#include <mutex>
#include <string>
#include <string_view>
#include <utility>

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

// For /status.json and metrics.
struct UpstreamStatus {
  std::string_view name;
  Breaker::State state = Breaker::State::closed;
  std::string last_error;  // without secrets; empty: none since the start
  Tally::Sums calls{};
};

// Threads: any.
class Health {
 public:
  Breaker breaker;
  Tally calls;

  void note(std::string error) {
    const std::lock_guard lock(mutex_);
    last_error_ = std::move(error);
  }
  UpstreamStatus status(std::string_view name, MonotonicTime now) const {
    UpstreamStatus status{name, breaker.state(now), {}, calls.sums()};
    const std::lock_guard lock(mutex_);
    status.last_error = last_error_;
    return status;
  }

 private:
  mutable std::mutex mutex_;
  std::string last_error_;
};

}  // namespace geo
