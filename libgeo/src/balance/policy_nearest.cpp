// By distance from the client, then by affinity among those at the same place.
#include <limits>

#include "balance/table.h"

namespace geo::balance {

const Candidate* by_distance(const Admission& may, const std::vector<Table>& tables) {
  const std::vector<Table::Site>& sites = may.table.sites;
  if (sites.empty() || !may.query.client) return by_affinity(may);
  const SiteAt client = site_at(*may.query.client);
  constexpr double kNowhere = 5;  // a chord is 2 at most
  double last = -1;
  std::size_t last_site = 0;
  for (std::size_t seen = 0; seen < sites.size(); ++seen) {
    std::size_t next = sites.size();
    double nearest = std::numeric_limits<double>::infinity();
    for (std::size_t i = 0; i < sites.size(); ++i) {
      const double distance = sites[i].at ? sites[i].at->chord2(client) : kNowhere;
      const bool was = distance < last || (distance == last && i <= last_site && seen > 0);
      if (!was && distance < nearest) nearest = distance, next = i;
    }
    if (next == sites.size()) break;
    last = nearest;
    last_site = next;
    const Table& there = tables[sites[next].table];
    const Admission may_there{
        may.balancer,       may.live,       may.query,         may.taken,          there,       sites[next].table,
        may.honour_exclude, may.any_health, may.country_rules, may.reports_failed, may.any_ramp};
    if (const Candidate* candidate = by_affinity(may_there)) return candidate;
  }
  return nullptr;
}

}  // namespace geo::balance
