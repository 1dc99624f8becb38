// [limits] requests_per_s: how often one client may ask, in a table of fixed size.
//
// A client is an IPv4 address, or an IPv6 address' /64, which one household has. Each may ask for a second's worth at
// once and then as often as its allowance comes back (GCRA, the leaky bucket as a time: "as if it had asked evenly, its
// last request would be due at ..."). A request that is refused changes nothing, so a client that keeps asking too
// often still gets its share.
//
// Shape: sets of eight cells, a cache line each; a cell is 24 bits of the client's hash and when it is due, in 64 ns.
// The bound: a client that comes to a full set takes the cell of the one that is due first, which has used up the
// least. So with more clients at once than cells some get more than their share; nobody gets less because of others,
// but for one pair in 16 million.
#pragma once

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <vector>

#include "geo/base/clock.h"
#include "geo/base/ip.h"

namespace geod {

// Threads: any, without a lock.
class RateLimit {
 public:
  static constexpr std::size_t kClients = 131072;  // 1 MiB

  // seed: nobody outside knows it, or could choose addresses that share a cell. clients: rounded up to full sets.
  explicit RateLimit(std::uint64_t seed, std::size_t clients = kClients);

  // Counts the request, unless it is refused. requests_per_s: 1 or more.
  bool admits(const geo::Ip& client, geo::MonotonicTime now, std::int64_t requests_per_s);

 private:
  static constexpr std::size_t kWays = 8;
  struct alignas(64) Set {
    std::array<std::atomic<std::uint64_t>, kWays> cells{};
  };

  const std::uint64_t seed_;
  std::vector<Set> sets_;  // a power of two
};

}  // namespace geod
