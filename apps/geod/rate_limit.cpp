#include "rate_limit.h"

#include <algorithm>
#include <bit>

namespace geod {
namespace {

// Of a cell: when the client is due, modulo 2^40 (19.5 hours), above it the hash's tag. 0: nobody's.
constexpr unsigned kTimeBits = 40;
constexpr std::uint64_t kTimeMask = (std::uint64_t{1} << kTimeBits) - 1;
constexpr unsigned kUnitBits = 6;  // 64 ns
constexpr std::uint64_t kSecond = 1'000'000'000 >> kUnitBits;

std::uint64_t units_of(geo::MonotonicTime time) {
  const auto ns = std::chrono::duration_cast<std::chrono::nanoseconds>(time.time_since_epoch()).count();
  return (static_cast<std::uint64_t>(ns) >> kUnitBits) & kTimeMask;
}

// How far ahead of now that is; 0: not at all, or so far that it is left over from hours ago.
std::uint64_t ahead(std::uint64_t cell, std::uint64_t now) {
  const std::uint64_t distance = (cell - now) & kTimeMask;
  return distance <= kSecond ? distance : 0;
}

// Both halves of the product of what is known outside and what is not.
std::uint64_t hash_of(const geo::Ip& client, std::uint64_t seed) {
  const std::uint64_t who = client.is_v4() ? client.v4_bits() : client.high();
  const std::uint64_t kind = client.is_v4() ? 0x9e3779b97f4a7c15 : 0xc2b2ae3d27d4eb4f;
  const auto fold = [](std::uint64_t a, std::uint64_t b) {
    const auto product = static_cast<unsigned __int128>(a) * b;
    return static_cast<std::uint64_t>(product) ^ static_cast<std::uint64_t>(product >> 64U);
  };
  return fold(fold(who ^ seed, kind | 1U) ^ seed, 0xa0761d6478bd642f);
}

}  // namespace

RateLimit::RateLimit(std::uint64_t seed, std::size_t clients)
    : seed_(seed), sets_(std::bit_ceil((std::max<std::size_t>(clients, 1) + kWays - 1) / kWays)) {}

bool RateLimit::admits(const geo::Ip& client, geo::MonotonicTime now, std::int64_t requests_per_s) {
  const std::uint64_t hash = hash_of(client, seed_);
  const std::uint64_t tag = (hash | std::uint64_t{1} << kTimeBits) & ~kTimeMask;
  Set& set = sets_[hash & (sets_.size() - 1)];
  const std::uint64_t at = units_of(now);
  const auto most = static_cast<std::uint64_t>(requests_per_s);
  const std::uint64_t each = std::max<std::uint64_t>((kSecond + most / 2) / most, 1);
  // Somebody else may have changed the cell meanwhile; after that often there is a flood, and it is let off once.
  for (int attempt = 0; attempt < 8; ++attempt) {
    std::atomic<std::uint64_t>* cell = nullptr;
    std::uint64_t value = 0, least = ~std::uint64_t{0};
    for (auto& candidate : set.cells) {
      const std::uint64_t held = candidate.load(std::memory_order_relaxed);
      const bool own = (held & ~kTimeMask) == tag;
      const std::uint64_t used = held == 0 ? 0 : ahead(held, at) + 1;
      if (!own && used >= least) continue;
      cell = &candidate;
      value = held;
      least = used;
      if (own) break;
    }
    const std::uint64_t used = (value & ~kTimeMask) == tag ? ahead(value, at) : 0;
    if (used + each > kSecond) return false;
    const std::uint64_t due = tag | ((at + used + each) & kTimeMask);
    if (cell->compare_exchange_weak(value, due, std::memory_order_relaxed)) return true;
  }
  return true;
}

}  // namespace geod
