// The same requests in two worlds: what moves.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <unordered_set>
#include <utility>
#include <vector>

#include "geo/place.h"
#include "output.h"
#include "simulation.h"

namespace geoctl {

class Differences {
 public:
  void count(const Ask& ask, const Pick& before, const geo::place::Topology& old_topology, const Pick& after,
             const geo::place::Topology& new_topology);

  // Of all requests: on another node, or served by one alone of the two.
  double moved_percent() const;
  // {"requests","moved_percent","cameras_moved_percent","lost","gained","farther_percent","moves"}
  std::string json() const;
  void print(Output& output) const;

 private:
  // An empty id: nobody.
  struct Move {
    std::string from, to;
    std::uint64_t requests;
  };
  std::vector<Move> moves() const;
  double percent(std::uint64_t part, std::uint64_t whole) const;

  std::uint64_t requests_ = 0, moved_ = 0, lost_ = 0, gained_ = 0, farther_ = 0;
  std::unordered_set<std::uint32_t> cameras_, cameras_moved_;
  std::map<std::pair<std::string, std::string>, std::uint64_t> moves_;
};

}  // namespace geoctl
