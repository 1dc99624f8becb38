#include "balance/sites.h"

#include <algorithm>
#include <cmath>

namespace geo::balance {

using place::UnitVector;

Sites::Sites(std::vector<Site> sites) : sites_(std::move(sites)) {
  part();
  make_cells();
}

void Sites::part() {
  std::vector<std::pair<std::uint32_t, std::uint32_t>> open{{0, static_cast<std::uint32_t>(sites_.size())}};
  while (!open.empty()) {
    const auto [begin, end] = open.back();
    open.pop_back();
    if (end - begin <= kFew) continue;
    const auto first = sites_.begin() + begin, last = sites_.begin() + end;
    const auto by = [](std::uint32_t axis) {
      return [axis](const Site& a, const Site& b) { return a.at.axis[axis] < b.at.axis[axis]; };
    };
    std::uint32_t widest = 0;
    double width = -1;
    for (std::uint32_t axis = 0; axis < 3; ++axis) {
      const auto [low, high] = std::minmax_element(first, last, by(axis));
      if (const double wide = high->at.axis[axis] - low->at.axis[axis]; wide > width) widest = axis, width = wide;
    }
    const std::uint32_t middle = begin + (end - begin) / 2;
    std::nth_element(first, sites_.begin() + middle, last, by(widest));
    sites_[middle].axis = widest;
    open.emplace_back(begin, middle);
    open.emplace_back(middle + 1, end);
  }
}

// Of a face: 2 x axis, + 1 on the far side; u and v, by the other axes, are in -1..1.
UnitVector Sites::corner_of(std::size_t face, double u, double v) const {
  const std::size_t axis = face / 2;
  const double length = std::sqrt(1 + u * u + v * v);
  UnitVector out;
  out.axis[axis] = (face % 2 == 0 ? 1 : -1) / length;
  out.axis[(axis + 1) % 3] = u / length;
  out.axis[(axis + 2) % 3] = v / length;
  return out;
}

std::size_t Sites::cell_of(const UnitVector& at) const {
  std::size_t axis = std::abs(at.axis[1]) > std::abs(at.axis[0]) ? 1 : 0;
  if (std::abs(at.axis[2]) > std::abs(at.axis[axis])) axis = 2;
  const double length = std::abs(at.axis[axis]);
  const auto step = [&](double along) {
    const double from_edge = (along / length + 1) / 2 * static_cast<double>(side_);
    return std::min(static_cast<std::size_t>(std::max(from_edge, 0.0)), side_ - 1);
  };
  const std::size_t face = 2 * axis + (at.axis[axis] < 0 ? 1 : 0);
  return (face * side_ + step(at.axis[(axis + 1) % 3])) * side_ + step(at.axis[(axis + 2) % 3]);
}

// From a point of a cell no site is farther than the one nearest to the cell's middle is from there, and half the cell.
// A site that can be the nearest is at most that and half the cell from the middle again, and no other is nearer to all
// four corners: who is, is so in all the cell, as what is nearer to one of two is half a sphere.
void Sites::make_cells() {
  side_ = static_cast<std::size_t>(std::ceil(std::sqrt(2 * static_cast<double>(sites_.size()) / 6)));
  std::vector<std::uint32_t> near;
  for (std::size_t face = 0; face < 6; ++face)
    for (std::size_t i = 0; i < side_ * side_; ++i) {
      const auto edge = [&](double step) { return 2 * step / static_cast<double>(side_) - 1; };
      const auto u = static_cast<double>(i / side_), v = static_cast<double>(i % side_);
      const UnitVector middle = corner_of(face, edge(u + 0.5), edge(v + 0.5));
      const std::array corners{corner_of(face, edge(u), edge(v)), corner_of(face, edge(u), edge(v + 1)),
                               corner_of(face, edge(u + 1), edge(v)), corner_of(face, edge(u + 1), edge(v + 1))};
      double half2 = 0;
      for (const UnitVector& corner : corners) half2 = std::max(half2, middle.chord2(corner));
      const Site* const first = nearest_that(middle, [](const Site&) { return true; });
      const auto is_nearer = [&](const UnitVector& a, const UnitVector& b) {
        return std::all_of(corners.begin(), corners.end(),
                           [&](const UnitVector& corner) { return a.chord2(corner) < b.chord2(corner) - 1e-12; });
      };
      const double reach = std::sqrt(first->at.chord2(middle)) + 2 * std::sqrt(half2) + 1e-9;
      const double reach2 = reach * reach;
      near.clear();
      look_around(middle, reach2, [&](const Site& site) {
        if (site.at.chord2(middle) <= reach2 && !is_nearer(first->at, site.at))
          near.push_back(static_cast<std::uint32_t>(&site - sites_.data()));
      });
      Cell& cell = cells_.emplace_back();
      if (near.size() > 2 * cell.sites.size()) continue;
      std::sort(near.begin(), near.end(),
                [&](std::uint32_t a, std::uint32_t b) { return sites_[a].rank < sites_[b].rank; });
      for (const std::uint32_t site : near) {
        if (std::any_of(near.begin(), near.end(),
                        [&](std::uint32_t other) { return is_nearer(sites_[other].at, sites_[site].at); }))
          continue;
        if (cell.count == cell.sites.size()) {
          cell.count = 0;
          break;
        }
        cell.sites[cell.count++] = site;
      }
    }
}

const Site& Sites::nearest(const UnitVector& from) const {
  const Cell& cell = cells_[cell_of(from)];
  const Site* best = nullptr;
  double least = std::numeric_limits<double>::infinity();
  for (std::uint32_t i = 0; i < cell.count; ++i) {
    const Site& site = sites_[cell.sites[i]];
    if (const double chord2 = site.at.chord2(from); chord2 < least) least = chord2, best = &site;
  }
  return best != nullptr ? *best : *nearest_that(from, [](const Site&) { return true; });
}

}  // namespace geo::balance
