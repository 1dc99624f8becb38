#include "request_id.h"

#include <sys/random.h>

#include <chrono>
#include <cstdint>

namespace geod {
namespace {

std::uint64_t random_start() {
  std::uint64_t seed = 0;
  if (::getrandom(&seed, sizeof seed, 0) != static_cast<ssize_t>(sizeof seed))
    seed = static_cast<std::uint64_t>(std::chrono::steady_clock::now().time_since_epoch().count());
  return seed;
}

// The finalizer of SplitMix64 (Steele, Lea, Flood 2014): a bijection, so that no two counts of a thread meet.
std::uint64_t mixed(std::uint64_t x) {
  x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9ULL;
  x = (x ^ (x >> 27)) * 0x94d049bb133111ebULL;
  return x ^ (x >> 31);
}

}  // namespace

void append_request_id(std::string& out) {
  thread_local std::uint64_t count = random_start();
  const std::uint64_t id = mixed(count++);
  char digits[16];
  for (unsigned i = 0; i < sizeof digits; ++i) digits[i] = "0123456789abcdef"[id >> (60 - 4 * i) & 0xf];
  out.append(digits, sizeof digits);
}

}  // namespace geod
