// The nodes that may serve as far as the topology alone tells, and the order in which a camera prefers them.
#pragma once

#include <array>
#include <cstdint>
#include <limits>
#include <optional>
#include <vector>

#include "geo/balance.h"

namespace geo::balance {

// The finalizer of SplitMix64 (Steele, Lea, Flood 2014): every input bit changes every output bit with probability 1/2.
constexpr std::uint64_t mix(std::uint64_t x) {
  x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9ULL;
  x = (x ^ (x >> 27)) * 0x94d049bb133111ebULL;
  return x ^ (x >> 31);
}

struct Candidate {
  Index node;
  std::uint64_t seed;  // of the node's id: the same wherever its row stands
  double weight, inverse_weight;
};

// A place on a sphere of radius 1.
struct SiteAt {
  double x, y, z;
  double chord2(const SiteAt& to) const {
    return (x - to.x) * (x - to.x) + (y - to.y) * (y - to.y) + (z - to.z) * (z - to.z);
  }
};
SiteAt site_at(const place::Coordinates& at);

// Of one (partner, group, pattern, format); one table serves all of them that have the same candidates.
//
// Up to kDrawnMax candidates each draws for a camera (weighted rendezvous). Beyond, cells: each candidate claims as
// many as its weight is worth, a part of a cell by chance of the camera, and a camera looks at one cell after the
// other, its own way, until somebody claims it:
//
//   cells  . A . . B B' . C . A . . B . . .      B': a part of a cell
//   camera       3     1        2                1, 2: nobody; 3: nobody; .. the next
//
// So a choice takes as long among 10,000 as among 20, a node that is down moves its own cameras alone, and they spread
// by weight. That is so too while rows of a table come and go, but for a few cells that meet, and when their number
// passes a power of two.
struct Table {
  static constexpr std::size_t kDrawnMax = 16;
  static constexpr std::uint32_t kNobody = UINT32_MAX, kInPart = std::uint32_t{1} << 31;

  Index group = kNone;
  std::vector<Candidate> candidates;  // by node id
  double weight = 0;                  // of all of them
  std::vector<std::uint32_t> cells;   // a power of two; kNobody, or an index of candidates, with kInPart: that part
  std::vector<std::uint32_t> parts;   // by candidate: of its last cell, in 1 / 2^32
  unsigned shift = 64;                // a hash's bits beyond the cell's number

  // For `nearest`, where somebody has coordinates: the candidates of each place, as tables of their own. Those without
  // coordinates come last, with no place.
  struct Site {
    std::optional<SiteAt> at;
    std::uint32_t table;
  };
  std::vector<Site> sites;

  void claim_cells();
};

// The candidates of a table as one camera prefers them, the first one first; the same one may come again.
class Order {
 public:
  Order(const Table& table, std::uint64_t key) : table_(table), key_(key) {}

  // Null: there is nobody else.
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
    return next_by_draw();
  }
  // From here on each costs a look at all.
  bool is_long() const { return looked_ == kLooksMax; }

 private:
  // So few of the table are eligible that looking on is no better than asking each.
  static constexpr unsigned kLooksMax = 96;

  const Candidate* next_drawn();
  const Candidate* next_by_draw();

  const Table& table_;
  const std::uint64_t key_;
  unsigned looked_ = 0;
  bool drawn_ = false;
  std::array<double, Table::kDrawnMax> draws_;  // infinite: it was told
  double last_draw_ = -1;
  std::size_t last_ = 0;
};

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
  std::uint32_t table_number;
  bool honour_exclude;
  bool any_health;
  bool country_rules;   // somebody here or in the client's own group has one
  bool reports_failed;  // all reports are old: then they failed, not the nodes
  bool any_ramp = false;

  bool operator()(const Candidate& candidate) const;

  Refused by_health(Index node) const;
  bool is_full(Index node) const;
  bool is_forbidden(Index node) const;
  bool is_excluded(Index node) const;
  // Slow start: this camera comes later.
  bool comes_later(const Candidate& candidate) const;
  // Under way at those who may serve, and their weight as it counts.
  std::int64_t under_way() const;
  double weight_of(const Candidate& candidate) const;
  bool has_room(const Candidate& candidate, double factor) const;
  bool is_popular(const Candidate& first) const;
};

// The policies: one file each. Null: nobody may.
const Candidate* by_affinity(const Admission& may);
const Candidate* by_weight(const Admission& may);
const Candidate* by_least_load(const Admission& may);
const Candidate* by_distance(const Admission& may, const std::vector<Table>& tables);

}  // namespace geo::balance
