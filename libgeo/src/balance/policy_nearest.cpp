// By distance from the client, then by affinity among those at the same place.
#include <limits>

#include "balance/table.h"

namespace geo::balance {
namespace {

// The nearest site of a k-d tree of which `serves`, which is asked of each that is nearer than those before it that do.
// Null: none.
template <class Serves>
const Table::Site* nearest(const std::vector<Table::Site>& sites, const SiteAt& client, const Serves& serves) {
  constexpr std::size_t kFew = 8;
  struct Range {
    std::uint32_t begin, end, axis;
    double least;  // no site of it is nearer
  };
  std::array<Range, 64> open;  // a level leaves one open
  std::size_t opened = 1;
  open[0] = {0, static_cast<std::uint32_t>(sites.size()), 0, 0};
  const Table::Site* best = nullptr;
  double best_chord2 = std::numeric_limits<double>::infinity();
  const auto look_at = [&](const Table::Site& site) {
    const double chord2 = site.at.chord2(client);
    if (chord2 > best_chord2 || (chord2 == best_chord2 && best != nullptr && site.rank > best->rank)) return;
    if (!serves(site)) return;
    best = &site;
    best_chord2 = chord2;
  };
  while (opened > 0) {
    const Range range = open[--opened];
    if (range.least > best_chord2) continue;
    if (range.end - range.begin <= kFew) {
      for (std::uint32_t i = range.begin; i < range.end; ++i) look_at(sites[i]);
      continue;
    }
    const std::uint32_t middle = range.begin + (range.end - range.begin) / 2;
    const double beyond = client.at[range.axis] - sites[middle].at.at[range.axis];
    const std::uint32_t axis = (range.axis + 1) % 3;
    const Range before{range.begin, middle, axis, range.least}, behind{middle + 1, range.end, axis, range.least};
    Range far = beyond < 0 ? behind : before;
    far.least = std::max(far.least, beyond * beyond);
    open[opened++] = far;
    open[opened++] = beyond < 0 ? before : behind;
    look_at(sites[middle]);
  }
  return best;
}

}  // namespace

const Candidate* by_distance(const Admission& may) {
  const Table& table = may.table;
  if (table.sites.empty() || !may.query.client) return by_affinity(may);
  const SiteAt client = site_at(*may.query.client);
  const Candidate* chosen = nullptr;
  const auto serves = [&](const Table::Site& site) {
    const Candidate* const candidate = by_affinity(may.there(site.table));
    if (candidate != nullptr) chosen = candidate;
    return candidate != nullptr;
  };
  // Mostly the nearest of all serves; only where it does not, the others are asked as they come.
  const Table::Site* const first = nearest(table.sites, client, [](const Table::Site&) { return true; });
  if (serves(*first) || nearest(table.sites, client, serves) != nullptr) return chosen;
  return table.placeless == Table::kNobody ? nullptr : by_affinity(may.there(table.placeless));
}

}  // namespace geo::balance
