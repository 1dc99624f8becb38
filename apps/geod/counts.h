// What the event loops count of their requests, for /metrics.
//
// Each loop has its own and is the only one to write them, so a count costs an addition: no lock, no locked
// instruction. Whoever asks sums them up.
#pragma once

#include <algorithm>
#include <array>
#include <atomic>
#include <chrono>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <utility>

#include "code.h"
#include "exchange.h"
#include "geo/balance.h"
#include "geo/redirect.h"

namespace geod {

// Threads: one adds, any reads.
class Count {
 public:
  void add(std::uint64_t n = 1) { count_.store(count_.load(std::memory_order_relaxed) + n, std::memory_order_relaxed); }
  operator std::uint64_t() const { return count_.load(std::memory_order_relaxed); }

 private:
  std::atomic<std::uint64_t> count_{0};
};

// Upper bounds of a histogram, each in its bucket. Up to 25 us is what memory answers, 100 us to 25 ms what a store
// or an upstream near by does, beyond that it is slow, up to
// the deadlines: 500 ms of one of them, 3 s of a request.
inline constexpr std::array<std::uint64_t, 9> kBoundsNs{5'000,      25'000,      100'000,     1'000'000,    5'000'000,
                                                        25'000'000, 100'000'000, 500'000'000, 3'000'000'000};
// The number of the first one that it does not exceed; past the last: kBoundsNs.size().
std::size_t bucket_of(std::chrono::nanoseconds duration);

// Number: Count while it is counted, std::uint64_t of a sum.
template <class Number>
struct Histogram {
  std::array<Number, kBoundsNs.size() + 1> buckets{};
  Number sum_ns{};
};

template <class Number>
struct CountsOf {
  // By format (kNoFormat: the request has none), by Code.
  static constexpr std::size_t kNoFormat = geo::balance::kFormatNames.size();
  std::array<std::array<Number, kCodeCount>, kNoFormat + 1> requests{};
  Histogram<Number> durations;
  std::array<Histogram<Number>, geo::redirect::kStepNames.size()> steps;
  std::array<Number, geo::balance::kWhyNames.size()> chosen{};  // why the node was it that a client was sent to
};
using Totals = CountsOf<std::uint64_t>;

// Of one loop. Its own cache lines: what one counts must not slow down another.
class alignas(64) Counts : private CountsOf<Count> {
 public:
  // Answered by now.
  void add(const Exchange& exchange, geo::MonotonicTime now);
  void add_to(Totals& totals) const;
};

// Of a listener: those of its loops, which it outlives.
class ListenerCounts {
 public:
  ListenerCounts(std::string listener, std::size_t loops);
  // The next loop's; once for each.
  Counts& claim() { return loops_[claimed_++]; }

  const std::string& listener() const { return listener_; }
  // Threads: any.
  void add_to(Totals& totals) const;

 private:
  const std::string listener_;
  const std::size_t size_;
  const std::unique_ptr<Counts[]> loops_;
  std::size_t claimed_ = 0;
};

// The connections of a listener, of all its loops together.
struct Occupancy {
  std::string listener;  // "tls.redirect"
  std::size_t most = 1;
  // Threads: any, all of these.
  std::atomic<std::size_t> open{0};
  std::atomic<std::size_t> lingering{0};  // of those: all is said, and the client has not closed yet
  std::atomic<geo::MonotonicTime> next_warning{geo::MonotonicTime::min()};  // of limits that were hit

  std::size_t under_way() const {
    const std::size_t all = open.load();
    return all - std::min(all, lingering.load());
  }

  Occupancy(std::string of, std::size_t at_most) : listener(std::move(of)), most(at_most) {}
};

// Can it be that a request of that listener ends so? Those are there as 0 from the start.
bool may_occur(std::string_view listener, std::size_t format, Code code);

}  // namespace geod
