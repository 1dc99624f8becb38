// Two at random, by weight; the one with less under way for its weight serves (Mitzenmacher 2001). Never the least
// loaded of all: by a report that is seconds old everybody would be sent to the same one.
#include "balance/table.h"

namespace geo::balance {

const Candidate* by_least_load(Admission& may) {
  Order order(may.table, may.query.dice);
  const Candidate *first = nullptr, *second = nullptr;
  while (second == nullptr) {
    const Candidate* const candidate = order.next();
    if (candidate == nullptr) break;
    if (candidate == first) continue;
    if (!may(*candidate)) {
      if (first == nullptr) may.pass_over(*candidate);
      continue;
    }
    (first == nullptr ? first : second) = candidate;
  }
  if (order.leaves_some()) {
    if (first == nullptr) first = lowest_draw(may.table, may.query.dice, may);
    if (second == nullptr)
      second = lowest_draw(may.table, may.query.dice,
                           [&](const Candidate& candidate) { return &candidate != first && may(candidate); });
  }
  if (second == nullptr) return first;
  const auto load = [&](const Candidate& candidate) {
    return static_cast<double>(may.live.under_way(candidate.node) + 1) / may.weight_of(candidate);
  };
  return load(*second) < load(*first) ? second : first;
}

}  // namespace geo::balance
