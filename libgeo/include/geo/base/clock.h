// Time is passed in: the core never reads a clock.
#pragma once

#include <chrono>

#include "geo/base/export.h"

namespace geo {

using WallTime = std::chrono::sys_time<std::chrono::microseconds>;  // tokens, tariffs, `exp`
using MonotonicTime = std::chrono::steady_clock::time_point;        // deadlines, durations, cache ages

class Clock {
 public:
  virtual ~Clock() = default;
  virtual WallTime wall() const = 0;
  virtual MonotonicTime monotonic() const = 0;
};

// May a port wait for its answer, and until when?
class Wait {
 public:
  static constexpr Wait never() { return Wait{MonotonicTime::min()}; }
  static constexpr Wait until(MonotonicTime deadline) { return Wait{deadline}; }

  constexpr bool allowed() const { return deadline_ != MonotonicTime::min(); }
  constexpr MonotonicTime deadline() const { return deadline_; }

 private:
  constexpr explicit Wait(MonotonicTime deadline) : deadline_(deadline) {}
  MonotonicTime deadline_;
};

// When a step is asked, by both clocks, and how long it may take.
struct Moment {
  WallTime now;
  MonotonicTime monotonic{};
  Wait wait = Wait::never();
  bool aside = false;  // of one who only looks: no cache keeps what it asks for, and nothing counts that it did
};

}  // namespace geo
