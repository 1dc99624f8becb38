#include "balance/table.h"

#include <algorithm>
#include <bit>
#include <cmath>

namespace geo::balance {

void Table::claim_cells() {
  if (candidates.size() <= kDrawnMax) return;
  // What a cell is worth: a power of two, so that it stays while rows come and go. kCells to 2 kCells for each
  // candidate.
  constexpr double kCells = 4;
  double sum = 0;
  for (const Candidate& candidate : candidates) sum += candidate.weight;
  int exponent = 0;
  std::frexp(sum / (kCells * static_cast<double>(candidates.size())), &exponent);
  const double worth = std::ldexp(1.0, exponent - 1);
  struct Claim {
    std::uint64_t home;
    std::uint32_t cell;
  };
  std::vector<Claim> claims;
  for (std::uint32_t i = 0; i < candidates.size(); ++i) {
    const double wanted = candidates[i].weight / worth;
    const double whole = std::floor(wanted);
    const std::uint64_t seed = candidates[i].seed;
    const auto home = [&](std::uint64_t number) { return mix(seed ^ mix(number + 0x9e3779b97f4a7c15ULL)); };
    for (std::uint64_t n = 0; n < static_cast<std::uint64_t>(whole); ++n) claims.push_back({home(n), i});
    const auto part = static_cast<std::uint32_t>(std::ldexp(wanted - whole, 32));
    parts.push_back(part);
    if (part > 0) claims.push_back({home(static_cast<std::uint64_t>(whole)), i | kInPart});
  }
  const std::size_t size = std::bit_ceil(2 * claims.size());
  shift = static_cast<unsigned>(64 - std::countr_zero(size));
  cells.assign(size, kNobody);
  // Those that meet move on to the next free cell, in an order that is the same however the rows stand.
  std::sort(claims.begin(), claims.end(), [](const Claim& a, const Claim& b) { return a.home < b.home; });
  for (const Claim& claim : claims) {
    std::size_t at = claim.home >> shift;
    while (cells[at] != kNobody) at = (at + 1) & (size - 1);
    cells[at] = claim.cell;
  }
}

// Most draws need not be known but for a bound: the lowest bounds are made exact until the lowest of all is.
const Candidate* Order::next_drawn() {
  const std::vector<Candidate>& candidates = table_.candidates;
  const std::size_t count = candidates.size();
  if (!drawn_) {
    drawn_ = true;
    for (std::size_t i = 0; i < count; ++i)
      draws_[i] = affinity::draw_at_least(key_, candidates[i].seed, candidates[i].inverse_weight);
  }
  constexpr double kTold = std::numeric_limits<double>::infinity();
  while (true) {
    std::size_t best = count;
    double lowest = kTold;
    for (std::size_t i = 0; i < count; ++i)
      if (draws_[i] < lowest) lowest = draws_[i], best = i;
    if (best == count) return nullptr;
    const Candidate& candidate = candidates[best];
    if ((exact_ >> best & 1U) != 0) {
      draws_[best] = kTold;
      return &candidate;
    }
    draws_[best] = affinity::draw(key_, candidate.seed, candidate.inverse_weight);
    exact_ |= std::uint32_t{1} << best;
  }
}

}  // namespace geo::balance
