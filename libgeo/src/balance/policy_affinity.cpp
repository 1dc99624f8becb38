// Weighted, by camera, with bounded load (Mirrokni, Thorup, Zadimoghaddam 2018): the first of the camera's nodes that
// has not more than `balance_factor` x its share under way. A camera that is watched by many leaves what is between
// half way there and the bound to the others: so it is the popular ones that spread, not whoever comes late.
#include "balance/table.h"

namespace geo::balance {

const Candidate* by_affinity(const Admission& may) {
  const double factor = may.any_health ? 0 : may.balancer.settings().balance_factor;
  Order order(may.table, may.query.key);
  const Candidate *first = nullptr, *within = nullptr;
  bool popular = false;
  while (const Candidate* candidate = order.next()) {
    if (!may(*candidate)) continue;
    if (factor == 0) return candidate;
    const bool is_first = first == nullptr;
    if (is_first) first = candidate;
    if (may.has_room(*candidate, (1 + factor) / 2)) return candidate;
    if (is_first) popular = may.is_popular(*candidate);
    if (!may.has_room(*candidate, factor)) continue;
    if (!popular) return candidate;
    if (within == nullptr) within = candidate;
    if (order.is_long()) break;
  }
  if (order.is_long() && first != nullptr) {
    // Half the table is at its bound for this camera: whoever has room, at random, rather than one after the other.
    Order any(may.table, may.query.key ^ may.query.dice);
    for (const Candidate* candidate = any.next(); candidate != nullptr && !any.is_long(); candidate = any.next())
      if (may(*candidate) && may.has_room(*candidate, factor)) return candidate;
  }
  // All who may serve are above it where what is asked for is offered by few: then their own first one.
  return within != nullptr ? within : first;
}

}  // namespace geo::balance
