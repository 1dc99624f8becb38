#include <xxhash.h>

#include <array>
#include <bit>
#include <cmath>

#include "balance/table.h"

namespace geo::balance {

std::uint64_t camera_key(std::string_view server, std::string_view camera) {
  char text[129];
  if (server.size() + camera.size() + 1 > sizeof text) return XXH3_64bits(camera.data(), camera.size());
  const std::size_t size = server.size() + 1 + camera.size();
  server.copy(text, server.size());
  text[server.size()] = '\0';
  camera.copy(text + server.size() + 1, camera.size());
  return XXH3_64bits(text, size);
}

namespace affinity {
namespace {

// -ln(u) for u = (bits + 1) / 2^53 in (0, 1]. std::log may differ in the last bit from library to library; this does
// not.
double minus_log(std::uint64_t bits) {
  constexpr double kLn2 = 0.693147180559945309417;
  const std::uint64_t whole = bits + 1;
  int exponent = 63 - std::countl_zero(whole);
  double fraction = static_cast<double>(whole) / static_cast<double>(std::uint64_t{1} << exponent);  // [1, 2)
  if (fraction > 1.4142135623730951) fraction *= 0.5, ++exponent;                                    // (0.707, 1.414]
  // ln((1 + t) / (1 - t)) = 2 (t + t^3/3 + t^5/5 ..), |t| <= 0.172: what is left out is below 1e-12
  const double t = (fraction - 1) / (fraction + 1), t2 = t * t;
  double sum = 1.0 / 13;
  sum = sum * t2 + 1.0 / 11;
  sum = sum * t2 + 1.0 / 9;
  sum = sum * t2 + 1.0 / 7;
  sum = sum * t2 + 1.0 / 5;
  sum = sum * t2 + 1.0 / 3;
  sum = sum * t2 + 1.0;
  return static_cast<double>(53 - exponent) * kLn2 - 2 * t * sum;
}

// ln(1 + (i + 1) / kSteps), and a little more.
constexpr unsigned kStepBits = 8;
struct Steps {
  static constexpr unsigned kSteps = 1U << kStepBits;
  Steps() {
    for (unsigned i = 0; i < kSteps; ++i) ln[i] = std::log1p((i + 1.0) / kSteps) + 1e-9;
  }
  std::array<double, kSteps> ln;
};
const Steps kSteps;

}  // namespace

std::uint64_t seed_of(std::string_view node_id) { return XXH3_64bits(node_id.data(), node_id.size()); }

double draw(std::uint64_t key, std::uint64_t seed, double inverse_weight) {
  return minus_log(mix(key ^ seed) >> 11) * inverse_weight;
}

double draw_at_least(std::uint64_t key, std::uint64_t seed, double inverse_weight) {
  constexpr double kLn2 = 0.693147180559945;
  const std::uint64_t whole = (mix(key ^ seed) >> 11) + 1;
  const int zeros = std::countl_zero(whole);
  const auto step = (whole << zeros << 1) >> (64 - kStepBits);
  return ((zeros - 10) * kLn2 - kSteps.ln[step]) * inverse_weight;
}

}  // namespace affinity
}  // namespace geo::balance
