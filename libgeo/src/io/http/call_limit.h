// How many calls of one kind may leave: our own count, and what the service says of its own (X-Rl, X-Ttl).
#pragma once

#include <deque>
#include <optional>
#include <string_view>

#include "geo/base/clock.h"

namespace geo::io::http {

// A call counts from when it leaves until 60 s after it came back: the service counts it at some time in between, so
// that within no 60 s of its clock there are more than `most`.
// Threads: none; its owner's lock stands before it.
class CallLimit {
 public:
  // nothing: no limit of our own.
  explicit CallLimit(std::optional<std::size_t> most) : most_(most) {}

  // When the next call may leave; `now`: at once.
  MonotonicTime next(MonotonicTime now) const;
  void left(MonotonicTime now);
  // rl, ttl: the answer's X-Rl and X-Ttl; empty where there are none.
  void came_back(MonotonicTime now, std::string_view rl = {}, std::string_view ttl = {}, bool is_refused = false);
  // How many calls may leave at once, by our count and the service's; it has a limit.
  std::size_t left_now(MonotonicTime now) const;
  // That count.
  std::size_t used(MonotonicTime now) const;
  bool is_limited() const { return most_.has_value(); }

 private:
  const std::optional<std::size_t> most_;
  std::size_t under_way_ = 0;
  std::deque<MonotonicTime> ended_;  // within the last 60 s
  std::uint64_t allowed_ = 0;        // by the service, until ..
  MonotonicTime allowed_until_{};    // .. then: it has not said anything
};

}  // namespace geo::io::http
