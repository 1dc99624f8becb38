// Small worlds to simulate.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "geo/redirect.h"
#include "simulation.h"

namespace geoctl::test {

// A group `here` for 10.0.0.0/8, at 0, 0, and its fallback `there`, at 0, 90.
inline geo::place::Rows rows() {
  geo::place::Rows rows;
  rows.patterns.push_back({"streaming", {}, ""});
  rows.partners.push_back({"default", {}, "here", 1, ""});
  rows.groups.push_back({"here", geo::place::Coordinates{0, 0}, "DE", {"there"}, {}});
  rows.groups.push_back({"there", geo::place::Coordinates{0, 90}, "US", {}, {}});
  geo::place::Network network;
  network.cidr = *geo::Cidr::parse("10.0.0.0/8");
  network.group = "here";
  network.location.coordinates = geo::place::Coordinates{0, 10};
  rows.networks.push_back(network);
  return rows;
}

inline void add_node(geo::place::Rows& rows, const std::string& id, const std::string& group, double weight = 100) {
  geo::place::Node node;
  node.id = id;
  node.host = id + ".example.com";
  node.group = group;
  node.weight = weight;
  rows.nodes.push_back(node);
}

inline geo::redirect::Snapshot snapshot_of(geo::place::Rows rows, geo::balance::Settings settings = {}) {
  geo::redirect::Snapshot snapshot;
  snapshot.topology = std::make_shared<const geo::place::Topology>(std::move(rows));
  snapshot.live =
      std::make_shared<geo::balance::Live>(std::make_shared<const geo::balance::Balancer>(snapshot.topology, settings));
  snapshot.resolver = std::make_shared<const geo::resolve::Resolver>(
      std::vector<std::shared_ptr<const geo::resolve::Provider>>{std::make_shared<const geo::resolve::Networks>()});
  return snapshot;
}

inline Ask ask_at(double second, std::string_view camera = "1", double length_s = 1e6) {
  Ask ask;
  ask.at = Micros(static_cast<Micros::rep>(second * 1e6));
  ask.client_ip = *geo::Ip::parse("10.1.2.3");
  ask.server = "sim";
  ask.camera = camera;
  ask.length = Micros(static_cast<Micros::rep>(length_s * 1e6));
  return ask;
}

}  // namespace geoctl::test
