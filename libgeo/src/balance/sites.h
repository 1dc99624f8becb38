// Where the nodes of a group are, and which place is the nearest.
#pragma once

#include <array>
#include <cstdint>
#include <limits>
#include <optional>
#include <vector>

#include "geo/place.h"

namespace geo::balance {

struct Candidate {
  place::Index node;
  std::uint64_t seed;  // of the node's id: the same wherever its row stands
  double weight, inverse_weight;
};

struct Site {
  place::UnitVector at;
  std::uint32_t rank;   // of equals the first one is the nearest
  std::uint32_t table;  // of its candidates
  std::uint32_t axis = 0;
  std::optional<Candidate> alone;  // the only one: so nothing else need be opened
};

// Two ways to the same answer. A grid on the cube around the sphere: each cell knows the few sites that can be the
// nearest to a point in it, so that it takes as long among 10,000 as among 10. And a k-d tree, for where the nearest
// one does not serve, or where a cell would know too many: the middle site of a range parts those before it from those
// behind it, by x, y or z.
class Sites {
 public:
  Sites() = default;
  explicit Sites(std::vector<Site> sites);

  bool empty() const { return sites_.empty(); }
  const Site& nearest(const place::UnitVector& from) const;
  // Of those that serve; that is asked of each that is nearer than those before it that do. Null: none.
  template <class Serves>
  const Site* nearest_that(const place::UnitVector& from, const Serves& serves) const;

 private:
  static constexpr std::uint32_t kFew = 6;  // that range is not parted
  // One line of the CPU's cache. None: they are too many, the tree is asked.
  struct alignas(64) Cell {
    std::uint32_t count = 0;
    std::array<std::uint32_t, 15> sites;  // by rank
  };

  void part();
  void make_cells();
  std::size_t cell_of(const place::UnitVector& at) const;
  place::UnitVector corner_of(std::size_t face, double u, double v) const;
  // Looks at all that are no farther than `reach2`, which may become less meanwhile.
  template <class Look>
  void look_around(const place::UnitVector& from, const double& reach2, const Look& look) const;

  std::vector<Site> sites_;
  std::size_t side_ = 0;  // a face of the cube has side_ x side_ cells
  std::vector<Cell> cells_;
};

template <class Look>
void Sites::look_around(const place::UnitVector& from, const double& reach2, const Look& look) const {
  struct Range {
    std::uint32_t begin, end;
    std::array<double, 3> beyond2;  // how far it is by each axis, squared
  };
  std::array<Range, 40> open;  // a level leaves one open
  std::size_t opened = 1;
  open[0] = {0, static_cast<std::uint32_t>(sites_.size()), {}};
  while (opened > 0) {
    Range range = open[--opened];
    // Sums of squares in another order are off by some 1e-16.
    if (range.beyond2[0] + range.beyond2[1] + range.beyond2[2] > reach2 + 1e-12) continue;
    while (range.end - range.begin > kFew) {
      const std::uint32_t middle = range.begin + (range.end - range.begin) / 2;
      const Site& site = sites_[middle];
      const double beyond = from.axis[site.axis] - site.at.axis[site.axis];
      Range& far = open[opened++];
      far = range;
      far.beyond2[site.axis] = beyond * beyond;
      (beyond < 0 ? far.begin : far.end) = beyond < 0 ? middle + 1 : middle;
      (beyond < 0 ? range.end : range.begin) = beyond < 0 ? middle : middle + 1;
      look(site);
    }
    for (std::uint32_t i = range.begin; i < range.end; ++i) look(sites_[i]);
  }
}

template <class Serves>
const Site* Sites::nearest_that(const place::UnitVector& from, const Serves& serves) const {
  const Site* best = nullptr;
  double least = std::numeric_limits<double>::infinity();
  look_around(from, least, [&](const Site& site) {
    const double chord2 = site.at.chord2(from);
    if (chord2 > least || (chord2 == least && best != nullptr && site.rank > best->rank)) return;
    if (!serves(site)) return;
    best = &site;
    least = chord2;
  });
  return best;
}

}  // namespace geo::balance
