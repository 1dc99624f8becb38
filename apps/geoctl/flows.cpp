#include "flows.h"

#include <algorithm>
#include <cmath>

namespace geoctl {

void Flows::count(const Pick& pick) {
  Key key{kUnknown, kUnknown, pick.own_group, pick.group, kUnknown, kUnknown};
  if (pick.node != geo::place::kNone)
    if (const auto& place = topology_->coordinates_of(pick.node))
      key.to_latitude = place->latitude, key.to_longitude = place->longitude;
  if (pick.client) {
    key.latitude = static_cast<int>(std::floor(pick.client->latitude / kCellDegrees));
    key.longitude = static_cast<int>(std::floor(pick.client->longitude / kCellDegrees));
  }
  Sum& sum = sums_[key];
  ++sum.requests;
  if (!pick.client) return;
  sum.latitude += pick.client->latitude;
  sum.longitude += pick.client->longitude;
}

std::vector<Flows::Flow> Flows::all() const {
  std::vector<Flow> flows;
  for (const auto& [key, sum] : sums_) {
    Flow flow{std::nullopt, std::nullopt, key.own_group, key.group, sum.requests};
    if (key.to_latitude != kUnknown) flow.to = {key.to_latitude, key.to_longitude};
    const auto count = static_cast<double>(sum.requests);
    if (key.latitude != kUnknown) flow.from = {sum.latitude / count, sum.longitude / count};
    flows.push_back(flow);
  }
  std::stable_sort(flows.begin(), flows.end(), [](const Flow& a, const Flow& b) { return a.requests > b.requests; });
  return flows;
}

}  // namespace geoctl
