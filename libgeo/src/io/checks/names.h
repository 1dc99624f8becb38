// Host names -> addresses: looked up in threads of their own, kept for a minute, and past it while the resolver is
// away.
//
// libcurl would look up by itself, but it waits for a look-up that is too late before it goes on with anything else
// (https://github.com/curl/curl/issues/4852), or starts another thread beside the stuck one.
#pragma once

#include <chrono>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <unordered_map>
#include <unordered_set>
#include <vector>

#include "geo/base/clock.h"

namespace geo::io::checks {

inline constexpr std::size_t kLookUpsMax = 16;  // at once
inline constexpr std::chrono::seconds kNameLife{60};
inline constexpr std::chrono::seconds kNameRetry{5};  // after a look-up that failed

struct Found {
  std::string addresses;  // "[2001:db8::1],192.0.2.1", in the order they are to be tried; empty: see `why`
  std::string why;
  bool is_final = false;  // there is no such name; else the next answer may be another one
  bool is_ours = false;   // the fault
  std::chrono::milliseconds took{0};
};

// The system's resolver, which knows no deadline.
Found look_up(const std::string& host);

// Threads: one alone. Look-ups that are under way when it ends are left to themselves.
class Names {
 public:
  using LookUp = std::function<Found(const std::string& host)>;

  // patience: how long a look-up may take before its name counts as one that cannot be resolved.
  // changed: called by any thread when turn() and next() have something new to tell.
  Names(LookUp look_up, std::chrono::milliseconds patience, std::function<void()> changed);
  ~Names();

  // Nothing: turn() will name the host once there is an answer.
  std::optional<Found> ask(const std::string& host, MonotonicTime now);
  // The hosts that have an answer now.
  std::vector<std::string> turn(MonotonicTime now);
  // When a look-up runs out of patience; max(): none can.
  MonotonicTime next() const;
  // Forgets all others.
  void keep(const std::unordered_set<std::string>& hosts);

 private:
  class Threads;
  struct Name {
    std::optional<Found> found;
    MonotonicTime again;                   // when to look up once more
    bool asked = false;                    // a look-up waits or runs
    std::optional<MonotonicTime> running;  // since when
    bool late = false;                     // .. for too long
  };
  void begin(const std::string& host, Name& name);

  const std::chrono::milliseconds patience_;
  std::unordered_map<std::string, Name> names_;
  std::unordered_set<std::string> running_;  // at most kLookUpsMax
  const std::shared_ptr<Threads> threads_;
};

}  // namespace geo::io::checks
