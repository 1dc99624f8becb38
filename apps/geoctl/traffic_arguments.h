// The arguments that say what is asked and when: simulate's and compare's.
#pragma once

#include <CLI/CLI.hpp>
#include <string>

#include "geo/base/result.h"
#include "geo/compose.h"
#include "output.h"
#include "simulation.h"
#include "traffic.h"

namespace geoctl {

struct TrafficArguments {
  std::string file, requests, rate, cameras, zipf, length_s, seed, geods;
  bool no_reports = false;

  void add_to(CLI::App& command);
  // bad_request: an argument is no number, or two exclude each other.
  geo::Result<TrafficSettings> settings() const;
  // The number of geods and what nodes tell.
  geo::Result<SimulationSettings> simulation(const geo::compose::World& world) const;
  // Clients are drawn from the world's city databases or its topology.
  geo::Result<Traffic> traffic(const TrafficSettings& settings, const geo::compose::World& world) const;

 private:
  CLI::Option *file_ = nullptr, *requests_ = nullptr, *rate_ = nullptr, *cameras_ = nullptr, *zipf_ = nullptr,
              *length_s_ = nullptr, *seed_ = nullptr, *geods_ = nullptr;
};

// Only providers that are tables in memory are asked: a note on stderr names the others.
geo::redirect::Snapshot offline(Output& output, const geo::redirect::Snapshot& snapshot);

}  // namespace geoctl
