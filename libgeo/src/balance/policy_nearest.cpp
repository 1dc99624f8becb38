// By distance from the client, then by affinity among those at the same place.
#include "balance/table.h"

namespace geo::balance {

const Candidate* by_distance(const Admission& may) {
  const Table& table = may.table;
  if (table.sites.empty() || !may.query.client) return by_affinity(may);
  const place::UnitVector client(*may.query.client);
  const Candidate* chosen = nullptr;
  const auto serves = [&](const Site& site) {
    const Candidate* candidate = nullptr;
    if (!site.alone)
      candidate = by_affinity(may.there(site.table));
    else if (may(*site.alone))
      candidate = &*site.alone;
    if (candidate != nullptr) chosen = candidate;
    return candidate != nullptr;
  };
  // Mostly the nearest of all serves; only where it does not, the others are asked as they come.
  if (serves(table.sites.nearest(client)) || table.sites.nearest_that(client, serves) != nullptr) return chosen;
  return table.placeless == Table::kNobody ? nullptr : by_affinity(may.there(table.placeless));
}

}  // namespace geo::balance
