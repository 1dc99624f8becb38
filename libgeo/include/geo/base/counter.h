// Counts that all cores write and a scrape reads now and then.
#pragma once

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>

namespace geo {

// Of the calling thread, 0 .. 15: threads of an event loop each have their own while there are no more than that.
// Numbered in the order in which threads first ask.
inline constexpr std::size_t kStripes = 16;
inline std::size_t thread_stripe() {
  static std::atomic<std::size_t> next{0};
  thread_local const std::size_t mine = next.fetch_add(1, std::memory_order_relaxed) % kStripes;
  return mine;
}

// Threads: any. add() writes a cache line of the calling thread's own.
class Counter {
 public:
  void add(std::uint64_t n = 1) { stripes_[thread_stripe()].count.fetch_add(n, std::memory_order_relaxed); }
  std::uint64_t sum() const {
    std::uint64_t total = 0;
    for (const Stripe& stripe : stripes_) total += stripe.count.load(std::memory_order_relaxed);
    return total;
  }

 private:
  struct alignas(64) Stripe {
    std::atomic<std::uint64_t> count{0};
  };
  std::array<Stripe, kStripes> stripes_;
};

}  // namespace geo
