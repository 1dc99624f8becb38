// What a simulation comes to, in numbers.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_set>
#include <vector>

#include "geo/place.h"
#include "output.h"
#include "simulation.h"

namespace geoctl {

// How far clients are from their nodes, in km.
struct Distances {
  double median = 0, p90 = 0, p99 = 0;
};

class Figures {
 public:
  // The topology as it is before the first event.
  explicit Figures(std::shared_ptr<const geo::place::Topology> topology);

  void count(const Ask& ask, const Pick& pick);

  std::uint64_t requests() const { return requests_; }
  std::uint64_t served() const { return served_; }
  // Nothing: no client's place, or no node's, is known.
  std::optional<Distances> distances() const;
  // Of those who were served, outside the client's own group.
  double spill_percent() const;
  // Of those cameras that were served.
  double nodes_per_camera() const;
  const std::map<geo::ErrorCode, std::uint64_t>& refused() const { return refused_; }

  // By group, then by node.
  struct NodeRow {
    geo::place::Index node;
    std::string_view id, group;
    std::uint64_t requests;
    double share_percent, weight_percent;  // of its group's, of those that take part
  };
  std::vector<NodeRow> nodes(const Simulation& simulation) const;

  // {"seed","requests","refused","nodes","peak_over_mean","distance_km","spill_percent","nodes_per_camera"}
  std::string json(std::uint64_t seed, const Simulation& simulation) const;
  void print(Output& output, std::uint64_t seed, const Simulation& simulation) const;

 private:
  std::shared_ptr<const geo::place::Topology> topology_;
  std::uint64_t requests_ = 0, served_ = 0, spilled_ = 0;
  std::vector<std::uint64_t> requests_of_;  // by node
  std::map<geo::ErrorCode, std::uint64_t> refused_;
  std::vector<float> distances_km_;
  std::unordered_set<std::uint64_t> cameras_, nodes_of_cameras_;  // a camera; a camera at a node
};

}  // namespace geoctl
