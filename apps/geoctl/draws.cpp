#include "draws.h"

#include <fmt/format.h>

#include "world.h"

namespace geoctl {
namespace {

using geo::balance::Index;

double percent_of(double part, double whole) { return whole > 0 ? 100 * part / whole : 0; }

class Draws {
 public:
  Draws(const geo::compose::World& world, const geo::redirect::Snapshot& snapshot, geo::redirect::Request& request)
      : world_(world), snapshot_(snapshot), request_(request) {}

  Drawn run(std::uint64_t requests) {
    drawn_.requests = requests;
    const bool names_cameras = request_.camera.empty();
    std::string camera;
    for (std::uint64_t i = 1; i <= requests; ++i) {
      if (names_cameras) {
        camera = fmt::to_string(i);
        request_.server = "draw";
        request_.camera = camera;
      }
      request_.dice = i;
      one();
    }
    if (names_cameras) request_.server = request_.camera = {};
    sum_up();
    return std::move(drawn_);
  }

 private:
  struct Weight {
    Index node;
    double weight;
  };
  struct Group {
    std::vector<Weight> nodes;
    double weight = 0;
    std::uint64_t requests = 0;
  };

  void decide(geo::redirect::Trace* trace) {
    request_.arrived = clock_.monotonic();
    geo::redirect::decide(request_, snapshot_, patience(world_), clock_, decision_, trace);
  }

  void one() {
    decide(nullptr);
    if (decision_.denial) {
      ++drawn_.refused[decision_.denial->code];
      return;
    }
    const Index group = decision_.choice.group;
    if (groups_.find(group) == groups_.end()) open_group(group);
    ++groups_[group].requests;
    ++requests_[decision_.choice.node];
    snapshot_.live->redirected(decision_.choice, decision_.partner,
                               geo::balance::camera_key(request_.server, request_.camera));
  }

  // Who shares the group's requests: all but those who cannot be chosen for a client like this one.
  void open_group(Index group) {
    geo::redirect::Trace trace;
    decide(&trace);
    Group& opened = groups_[group];
    for (const geo::balance::Verdict& verdict : trace.account.verdicts) {
      if (verdict.group != group) continue;
      const double weight = takes_part(verdict.refused) ? snapshot_.topology->node(verdict.node).weight : 0;
      opened.nodes.push_back({verdict.node, weight});
      opened.weight += weight;
    }
  }

  void sum_up() {
    for (const auto& [index, group] : groups_)
      for (const auto& [node, weight] : group.nodes) {
        const auto counted = requests_.find(node);
        const std::uint64_t requests = counted == requests_.end() ? 0 : counted->second;
        drawn_.nodes.push_back({node, index, requests,
                                percent_of(static_cast<double>(requests), static_cast<double>(group.requests)),
                                percent_of(weight, group.weight)});
      }
  }

  const geo::compose::World& world_;
  const geo::redirect::Snapshot& snapshot_;
  geo::redirect::Request& request_;
  geo::io::SystemClock clock_;
  geo::redirect::Decision decision_;
  std::map<Index, Group> groups_;
  std::map<Index, std::uint64_t> requests_;
  Drawn drawn_;
};

}  // namespace

Drawn::Part Drawn::of(Index node) const {
  for (const Share& share : nodes)
    if (share.node == node)
      return {share.requests, percent_of(static_cast<double>(share.requests), static_cast<double>(requests))};
  return {};
}

Drawn draw(const geo::compose::World& world, const geo::redirect::Snapshot& snapshot, geo::redirect::Request& request,
           std::uint64_t requests) {
  return Draws(world, snapshot, request).run(requests);
}

}  // namespace geoctl
