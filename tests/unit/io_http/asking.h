// Asks an upstream as the cache of places does.
#pragma once

#include <atomic>
#include <chrono>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "geo/base/clock.h"
#include "geo/resolve.h"

namespace geo::io::http {

// The real time, which a test may put forward.
class ShiftedClock final : public Clock {
 public:
  WallTime wall() const override { return {}; }
  MonotonicTime monotonic() const override { return std::chrono::steady_clock::now() + shift_.load(); }
  void forward(std::chrono::milliseconds time) { shift_ = shift_.load() + time; }

 private:
  std::atomic<std::chrono::milliseconds> shift_{};
};

class Asking {
 public:
  using Answer = Result<place::Location>;

  Asking(std::shared_ptr<const resolve::Upstream> upstream, const Clock& clock)
      : upstream_(std::move(upstream)), clock_(clock) {}

  // Begins to ask for all of them at once; then finish() tells or waits for the answer of one. What failed by then was
  // not kept, and is not asked for again: "gone".
  void begin(const std::vector<std::string>& ips, std::chrono::milliseconds budget, unsigned hops = 0) {
    for (const std::string& ip : ips)
      (void)get(ip, Wait::never(), hops, [&](Load load) { upstream_->ask(std::move(load), budget); });
  }
  Answer finish(const std::string& ip, unsigned hops = 0) {
    return get(ip, ample(), hops,
               [&](Load load) { load.finish(deny(ErrorCode::upstream_unavailable, "gone"), clock_.monotonic()); });
  }
  Answer ask(const std::string& ip, std::chrono::milliseconds budget = std::chrono::seconds(10), unsigned hops = 0) {
    return get(ip, ample(), hops, [&](Load load) { upstream_->ask(std::move(load), budget); });
  }
  UpstreamStatus status() const { return upstream_->status(clock_.monotonic()); }
  resolve::PlaceCache& cache() { return cache_; }
  const resolve::Upstream& upstream() const { return *upstream_; }

 private:
  using Load = resolve::PlaceCache::Load;

  Wait ample() const { return Wait::until(clock_.monotonic() + std::chrono::seconds(60)); }
  template <class Start>
  Answer get(const std::string& ip, Wait wait, unsigned hops, Start start) {
    const auto hit = cache_.get(resolve::PlaceKey{*Ip::parse(ip), 0, static_cast<std::uint8_t>(hops)},
                                clock_.monotonic(), wait, start);
    if (!hit) return deny(ErrorCode::internal, "nothing yet");
    return hit->entry->answer;
  }

  resolve::PlaceCache cache_{{.entries = 100'000,
                              .ttl = std::chrono::hours(1),
                              .stale = std::chrono::hours(1),
                              .negative_ttl = std::chrono::hours(1)},
                             Stale::when_failed};
  const std::shared_ptr<const resolve::Upstream> upstream_;
  const Clock& clock_;
};

inline ErrorCode code_of(const Asking::Answer& answer) {
  return answer ? ErrorCode::internal : answer.error().code;  // internal: an answer
}

// "100.64.I/256.I%256"
inline std::vector<std::string> addresses(std::size_t count) {
  std::vector<std::string> out;
  for (std::size_t i = 0; i < count; ++i)
    out.push_back("100.64." + std::to_string(i / 256) + "." + std::to_string(i % 256));
  return out;
}

}  // namespace geo::io::http
