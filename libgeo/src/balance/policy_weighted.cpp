// At random, by weight.
#include "balance/table.h"

namespace geo::balance {

const Candidate* by_weight(Admission& may) {
  Order order(may.table, may.query.dice);
  while (const Candidate* candidate = order.next()) {
    if (may(*candidate)) return candidate;
    may.pass_over(*candidate);
  }
  return order.leaves_some() ? lowest_draw(may.table, may.query.dice, may) : nullptr;
}

}  // namespace geo::balance
