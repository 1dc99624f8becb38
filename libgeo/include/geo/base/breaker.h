// A circuit breaker: an upstream that fails is left alone for a while, then tried with one call.
//
//   closed --5 failures in a row--> open --5 s--> half_open --one call: good--> closed
//                                     ^----------------------- bad ------------'
//
// A probe that tells nothing for kOpenFor gives its turn to the next caller. What is told while it is open comes from
// calls older than that and changes nothing.
#pragma once

#include <chrono>
#include <cstdint>
#include <mutex>
#include <string_view>

#include "geo/base/clock.h"
#include "geo/base/export.h"

namespace geo {

// Threads: any number at once; takes its own lock, so it stands before a call over the network, never before a hit.
class GEO_EXPORT Breaker {
 public:
  enum class State : std::uint8_t { closed, open, half_open };
  static constexpr unsigned kFailures = 5;
  static constexpr std::chrono::seconds kOpenFor{5};

  // May a call be made now? In half_open one caller gets true; it has to tell how it went, or give the turn back.
  bool admit(MonotonicTime now);
  void succeeded();
  void failed(MonotonicTime now);
  // A call that needs no leave has got through to an upstream that it could not reach before.
  void recovered();
  // An admitted call that was never made, or whose answer says nothing about the upstream's health.
  void returned();

  State state(MonotonicTime now) const;
  // Was the last call that tells anything in vain?
  bool is_failing() const;
  // Until it may be tried again; 0 where it may be now.
  std::chrono::milliseconds wait(MonotonicTime now) const;

 private:
  mutable std::mutex mutex_;
  unsigned failures_ = 0;       // in a row
  MonotonicTime open_until_{};  // while probing_: when the turn passes on
  bool open_ = false, probing_ = false;
};

GEO_EXPORT std::string_view name_of(Breaker::State state);

}  // namespace geo
