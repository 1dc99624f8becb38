// Weighted, by camera, with bounded load (Mirrokni, Thorup, Zadimoghaddam 2018): the first of the camera's nodes that
// has not more than `balance_factor` x its share under way. Streams end elsewhere too, and then the share is less: the
// last fifth of the way there is for that. A camera that is watched by many leaves what is between half way there and
// the bound to the others: so it is the popular ones that spread, not whoever comes late.
#include "balance/table.h"

namespace geo::balance {

const Candidate* by_affinity(Admission& may) {
  const double factor = may.any_health ? 0 : affinity::bound(may.balancer.settings().balance_factor);
  const double half_way = (1 + may.balancer.settings().balance_factor) / 2;
  Order order(may.table, may.query.key);
  const Candidate *first = nullptr, *within = nullptr;
  bool popular = false;
  const auto serves = [&](const Candidate& candidate) {
    const bool is_first = first == nullptr;
    if (is_first) first = &candidate;
    if (factor == 0 || may.has_room(candidate, half_way)) return true;
    if (is_first) popular = may.is_popular(candidate);
    if (!may.has_room(candidate, factor)) return false;
    if (within == nullptr) within = &candidate;
    return !popular;
  };
  while (const Candidate* candidate = order.next()) {
    if (!may(*candidate)) {
      if (first == nullptr) may.pass_over(*candidate);
      continue;
    }
    if (!serves(*candidate)) continue;
    if (candidate != first) may.why = Why::overloaded;
    return candidate;
  }
  if (within == nullptr && order.leaves_some()) {
    if (first == nullptr) {
      const Candidate* const candidate = lowest_draw(may.table, may.query.key, may);
      if (candidate == nullptr || serves(*candidate)) return candidate;
    }
    // Many are at their bound for this camera: whoever has room, at random, rather than one after the other.
    const auto has_room = [&](const Candidate& candidate) { return may(candidate) && may.has_room(candidate, factor); };
    Order any(may.table, may.query.key ^ may.query.dice);
    while (const Candidate* candidate = any.next()) {
      if (!has_room(*candidate)) continue;
      may.why = Why::overloaded;
      return candidate;
    }
    within = lowest_draw(may.table, may.query.key, has_room);
  }
  // All who may serve are above it where what is asked for is offered by few: then their own first one.
  if (within != nullptr && within != first) may.why = Why::overloaded;
  return within != nullptr ? within : first;
}

}  // namespace geo::balance
