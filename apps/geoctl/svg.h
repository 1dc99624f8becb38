// A simulation as a picture for a ticket: a map of clients, groups and flows, and the load of each node over time.
#pragma once

#include <memory>
#include <string>

#include "figures.h"
#include "flows.h"
#include "geo/place.h"
#include "simulation.h"
#include "traffic.h"

namespace geoctl {

struct Scene {
  std::shared_ptr<const geo::place::Topology> topology;  // as it is before the first event
  const Figures& figures;
  const Flows& flows;
  const Simulation& simulation;
  TrafficSettings settings;
  std::string command;  // as it was typed
};

// An SVG document.
std::string picture(const Scene& scene);

}  // namespace geoctl
