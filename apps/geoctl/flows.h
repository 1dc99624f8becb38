// Where clients are and where they are served, for the map: clients that are near each other are one.
#pragma once

#include <compare>
#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <utility>
#include <vector>

#include "geo/place.h"
#include "simulation.h"

namespace geoctl {

class Flows {
 public:
  explicit Flows(std::shared_ptr<const geo::place::Topology> topology) : topology_(std::move(topology)) {}

  void count(const Pick& pick);

  struct Flow {
    std::optional<geo::place::Coordinates> from;  // nothing: nobody knows; then only their own group is
    std::optional<geo::place::Coordinates> to;    // of the node; nothing: nobody served them, or nobody knows
    geo::place::Index own_group, group;           // kNone: no group; nobody served them
    std::uint64_t requests;
  };
  // The largest first.
  std::vector<Flow> all() const;

 private:
  struct Key {
    int latitude, longitude;  // of the cell; kUnknown: no coordinates
    geo::place::Index own_group, group;
    double to_latitude, to_longitude;  // of the node; kUnknown: no coordinates
    auto operator<=>(const Key&) const = default;
  };
  struct Sum {
    double latitude = 0, longitude = 0;
    std::uint64_t requests = 0;
  };
  static constexpr int kUnknown = 1000;
  static constexpr double kCellDegrees = 2;
  std::shared_ptr<const geo::place::Topology> topology_;
  std::map<Key, Sum> sums_;
};

}  // namespace geoctl
