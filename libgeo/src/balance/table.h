// The nodes that may serve as far as the topology alone tells, and the order in which a camera prefers them.
#pragma once

#include <array>
#include <cstdint>
#include <limits>
#include <optional>
#include <vector>

#include "balance/sites.h"
#include "geo/balance.h"

namespace geo::balance {

// The finalizer of SplitMix64 (Steele, Lea, Flood 2014): every input bit changes every output bit with probability 1/2.
constexpr std::uint64_t mix(std::uint64_t x) {
  x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9ULL;
  x = (x ^ (x >> 27)) * 0x94d049bb133111ebULL;
  return x ^ (x >> 31);
}

// Of one (partner, group, pattern, format); one table serves all of them that have the same candidates. Nodes that
// `admin` took out are among them, so that nothing moves but their own cameras; whether they serve is their state.
//
// Up to kDrawnMax candidates each draws for a camera (weighted rendezvous). Beyond, cells: each candidate claims as
// many as its weight is worth, a part of a cell by chance of the camera, and a camera looks at one cell after the
// other, its own way, until somebody claims it:
//
//   cells  . A . . B B' . C . A . . B . . .      B': a part of a cell
//   camera       3     1        2                1, 2: nobody; 3: nobody; .. the next
//
// So a choice takes as long among 10,000 as among 50, a node that is down moves its own cameras alone, and they spread
// by weight. That is so too while rows of a table come and go, but for a few cells that meet, and when their number
// passes a power of two.
struct Table {
  static constexpr std::size_t kDrawnMax = 32;
  static constexpr std::uint32_t kNobody = UINT32_MAX, kInPart = std::uint32_t{1} << 31;

  Index group = kNone;
  std::vector<Candidate> candidates;  // by node id
  double weight = 0;                  // of all of them that `admin` lets serve
  std::vector<std::uint32_t> cells;   // a power of two; kNobody, or an index of candidates, with kInPart: that part
  std::vector<std::uint32_t> parts;   // by candidate: of its last cell, in 1 / 2^32
  unsigned shift = 64;                // a hash's bits beyond the cell's number

  // Candidates that every rule about countries forbids or lets serve together. None where there is no such rule.
  struct Realm {
    Index node;     // one of them
    double weight;  // as of the table
  };
  std::vector<Realm> realms;
  std::vector<std::uint32_t> realm_of;  // by candidate
  std::uint32_t first_realm = 0;        // of all tables' realms

  // For `nearest`, where there are several places: the candidates of each, as tables of their own.
  Sites sites;
  std::uint32_t placeless = kNobody;   // the table of those without coordinates; they come last
  std::vector<std::uint32_t> site_of;  // by candidate: its site's table

  void claim_cells();
};

// The candidates of a table as one camera prefers them, the first one first; of a table with cells the same one may
// come again, and what comes is an end when looking on is no better than asking each: see lowest_draw.
class Order {
 public:
  Order(const Table& table, std::uint64_t key) : table_(table), key_(key) {}

  // Null: it ends here.
  const Candidate* next() {
    if (table_.cells.empty()) return next_drawn();
    while (looked_ < kLooksMax) {
      const std::uint64_t hash = mix(key_ + ++looked_ * 0x9e3779b97f4a7c15ULL);
      const std::uint32_t cell = table_.cells[hash >> table_.shift];
      if (cell == Table::kNobody) continue;
      const std::uint32_t at = cell & ~Table::kInPart;
      if ((cell & Table::kInPart) == 0 || static_cast<std::uint32_t>(hash) < table_.parts[at])
        return &table_.candidates[at];
    }
    return nullptr;
  }
  // Whoever did not come may serve nonetheless.
  bool leaves_some() const { return !table_.cells.empty(); }

 private:
  static constexpr unsigned kLooksMax = 96;

  const Candidate* next_drawn();

  const Table& table_;
  const std::uint64_t key_;
  unsigned looked_ = 0;
  bool drawn_ = false;
  std::uint32_t exact_ = 0;                     // a bit per candidate: its draw is what it draws, else at most that
  std::array<double, Table::kDrawnMax> draws_;  // infinite: it was told
};

// Of those the one that draws lowest; null: none of them. It asks each.
template <class May>
const Candidate* lowest_draw(const Table& table, std::uint64_t key, const May& may) {
  const Candidate* best = nullptr;
  double lowest = std::numeric_limits<double>::infinity();
  for (const Candidate& candidate : table.candidates) {
    if (!may(candidate)) continue;
    const double draw = affinity::draw(key, candidate.seed, candidate.inverse_weight);
    if (draw < lowest) lowest = draw, best = &candidate;
  }
  return best;
}

namespace affinity {
// Not above draw(), and seldom far below it, for a fraction of the time.
double draw_at_least(std::uint64_t key, std::uint64_t seed, double inverse_weight);
// Up to which part of its share a node takes streams, so that it is not above `balance_factor` when others' have ended.
constexpr double bound(double balance_factor) {
  constexpr double kPart = 0.8;  // of what is beyond the share
  return balance_factor == 0 ? 0 : 1 + kPart * (balance_factor - 1);
}
}  // namespace affinity

// What one pass over the groups holds fast.
struct Balancer::Pass {
  const Query& query;
  const Live& live;
  std::span<const Choice> taken;
  bool honour_exclude;
};

// May a candidate serve this request, by its state and by what the request asks?
struct Admission {
  const Balancer& balancer;
  const Live& live;
  const Query& query;
  std::span<const Choice> taken;  // nodes that may not come again (alternates)
  const Table& table;
  const Live::Sums& sums;
  bool honour_exclude;
  bool country_rules;           // somebody here or in the client's own group has one
  bool reports_failed = false;  // all reports are old: then they failed, not the nodes
  bool empty = false;           // whatever their health, nobody may
  bool panic = false;           // too little is healthy
  bool over_quota = false;      // the partner has its share
  bool any_health = false;      // whoever else may
  bool any_ramp = false;        // those in their slow start take all cameras
  double weight = 0;            // of those that count, as it counts
  std::int64_t under_way = 0;   // at them
  Why why = Why::first;         // of what was chosen: the policy's part of it

  bool operator()(const Candidate& candidate) const;

  void ask_health();
  void sum_up();
  // It serves cameras, if not this one.
  bool counts(const Candidate& candidate) const;
  Refused by_health(Index node) const;
  bool is_forbidden(Index node) const;
  bool is_excluded(Index node) const;
  // Slow start: this camera comes later.
  bool comes_later(const Candidate& candidate) const;
  double weight_of(const Candidate& candidate) const;
  double share_of(const Candidate& candidate) const;
  bool has_room(const Candidate& candidate, double factor) const;
  bool is_popular(const Candidate& first) const;
  // The same, of one site of the table.
  Admission there(std::uint32_t site_table) const;
  // It comes before whoever serves, and may not.
  void pass_over(const Candidate& candidate);
};

// The policies: one file each. Null: nobody may.
const Candidate* by_affinity(Admission& may);
const Candidate* by_weight(Admission& may);
const Candidate* by_least_load(Admission& may);
const Candidate* by_distance(Admission& may);

}  // namespace geo::balance
