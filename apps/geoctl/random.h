// What simulations draw. The same seed gives the same numbers on every machine: integers, and IEEE additions,
// multiplications and divisions alone. Distributions and logarithms of the standard library differ from one to the
// next.
#pragma once

#include <bit>
#include <cstdint>

namespace geoctl {

// Natural logarithm of a positive, normal number; exact to 1e-14 of it or so.
inline double ln(double x) {
  constexpr double kLn2 = 0.693147180559945309417;
  const auto bits = std::bit_cast<std::uint64_t>(x);
  int exponent = static_cast<int>(bits >> 52 & 0x7ff) - 1023;
  double fraction = std::bit_cast<double>((bits & 0xfffffffffffffULL) | 0x3ff0000000000000ULL);  // [1, 2)
  if (fraction > 1.4142135623730951) fraction *= 0.5, ++exponent;
  // ln((1 + t) / (1 - t)) = 2 (t + t^3/3 + t^5/5 ..), |t| <= 0.172
  const double t = (fraction - 1) / (fraction + 1), t2 = t * t;
  double sum = 0;
  for (int k = 21; k >= 1; k -= 2) sum = sum * t2 + 1.0 / k;
  return exponent * kLn2 + 2 * t * sum;
}

// e^x for -700 <= x <= 700.
inline double exp(double x) {
  constexpr double kLn2 = 0.693147180559945309417;
  const int halvings = static_cast<int>(x / kLn2 + (x < 0 ? -0.5 : 0.5));
  const double rest = x - halvings * kLn2;  // |rest| <= 0.35
  double sum = 1;
  for (int k = 14; k >= 1; --k) sum = 1 + sum * rest / k;
  return sum * std::bit_cast<double>(static_cast<std::uint64_t>(halvings + 1023) << 52);
}

// SplitMix64 (Steele, Lea, Flood 2014). Each thing that is drawn has a stream of its own, so that more of the one does
// not change the other.
class Random {
 public:
  Random(std::uint64_t seed, std::uint64_t stream) : state_(mix(seed + kStep) ^ mix((stream + 1) * kStep)) {}

  std::uint64_t next() { return mix(state_ += kStep); }
  // 0 .. n - 1; n > 0.
  std::uint64_t below(std::uint64_t n) {
    __extension__ using Wide = unsigned __int128;
    return static_cast<std::uint64_t>(static_cast<Wide>(next()) * n >> 64);
  }
  // Above 0, 1 at most.
  double unit() { return static_cast<double>((next() >> 11) + 1) * 0x1p-53; }
  double exponential(double mean) { return -mean * ln(unit()); }

 private:
  static constexpr std::uint64_t kStep = 0x9e3779b97f4a7c15;
  static std::uint64_t mix(std::uint64_t x) {
    x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9ULL;
    x = (x ^ (x >> 27)) * 0x94d049bb133111ebULL;
    return x ^ (x >> 31);
  }
  std::uint64_t state_;
};

}  // namespace geoctl
