// Many requests of one kind of client, each under way at its node from then on: who gets how many?
#pragma once

#include <cstdint>
#include <map>
#include <vector>

#include "geo/compose.h"
#include "geo/io/system.h"
#include "geo/redirect.h"

namespace geoctl {

inline constexpr std::uint64_t kDrawsMax = 100'000'000;

struct Drawn {
  struct Share {
    geo::balance::Index node, group;
    std::uint64_t requests = 0;
    double percent_of_group = 0, weight_percent = 0;  // of the group's requests; of the weight of who takes part
  };
  std::uint64_t requests = 0;
  std::vector<Share> nodes;  // of every group that served, by group
  std::map<geo::ErrorCode, std::uint64_t> refused;

  // A node's part of all requests.
  struct Part {
    std::uint64_t requests = 0;
    double percent = 0;
  };
  Part of(geo::balance::Index node) const;
};

// As `request` is, but for cameras 1, 2, 3 .. of a server that is not there where it names none. As far as `snapshot`
// says.
Drawn draw(const geo::compose::World& world, const geo::redirect::Snapshot& snapshot, geo::redirect::Request& request,
           std::uint64_t requests);

}  // namespace geoctl
