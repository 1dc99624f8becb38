// By distance from the client, then by affinity among those at the same place.
#include "balance/table.h"

namespace geo::balance {

namespace {

const Candidate* by_affinity_there(Admission& may, std::uint32_t site_table) {
  Admission there = may.there(site_table);
  const Candidate* const chosen = by_affinity(there);
  may.why = std::max(may.why, there.why);
  return chosen;
}

}  // namespace

const Candidate* by_distance(Admission& may) {
  const Table& table = may.table;
  if (table.sites.empty() || !may.query.client) return by_affinity(may);
  const place::UnitVector client(*may.query.client);
  const Candidate* chosen = nullptr;
  const auto serves = [&](const Site& site) {
    const Candidate* candidate = nullptr;
    if (!site.alone)
      candidate = by_affinity_there(may, site.table);
    else if (may(*site.alone))
      candidate = &*site.alone;
    else
      may.pass_over(*site.alone);
    if (candidate != nullptr) chosen = candidate;
    return candidate != nullptr;
  };
  // Mostly the nearest of all serves; only where it does not, the others are asked as they come.
  if (serves(table.sites.nearest(client)) || table.sites.nearest_that(client, serves) != nullptr) return chosen;
  return table.placeless == Table::kNobody ? nullptr : by_affinity_there(may, table.placeless);
}

}  // namespace geo::balance
