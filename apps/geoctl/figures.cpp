#include "figures.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <numeric>

#include "geo/base/text.h"

namespace geoctl {
namespace {

using geo::place::Index;
using geo::place::kNone;

double percent(double part, double whole) { return whole > 0 ? 100 * part / whole : 0; }

}  // namespace

Figures::Figures(std::shared_ptr<const geo::place::Topology> topology)
    : topology_(std::move(topology)), requests_of_(topology_->rows().nodes.size()) {}

void Figures::count(const Ask& ask, const Pick& pick) {
  ++requests_;
  if (pick.refused) {
    ++refused_[*pick.refused];
    return;
  }
  ++served_;
  ++requests_of_[pick.node];
  if (pick.group != pick.own_group) ++spilled_;
  if (pick.distance_km) distances_km_.push_back(static_cast<float>(*pick.distance_km));
  cameras_.insert(ask.camera_number);
  nodes_of_cameras_.insert(std::uint64_t{ask.camera_number} << 32 | pick.node);
}

std::optional<Distances> Figures::distances() const {
  if (distances_km_.empty()) return std::nullopt;
  std::vector<float> sorted = distances_km_;
  std::sort(sorted.begin(), sorted.end());
  // the smallest that so large a part is not above
  const auto at = [&](double part) {
    const auto rank = static_cast<std::size_t>(std::ceil(part * static_cast<double>(sorted.size())));
    return double{sorted[std::max<std::size_t>(rank, 1) - 1]};
  };
  return Distances{at(0.5), at(0.9), at(0.99)};
}

double Figures::spill_percent() const { return percent(static_cast<double>(spilled_), static_cast<double>(served_)); }

double Figures::nodes_per_camera() const {
  return cameras_.empty() ? 0 : static_cast<double>(nodes_of_cameras_.size()) / static_cast<double>(cameras_.size());
}

std::vector<Figures::NodeRow> Figures::nodes(const Simulation& simulation) const {
  const geo::place::Rows& rows = topology_->rows();
  std::vector<Index> groups(rows.groups.size());
  std::iota(groups.begin(), groups.end(), 0);
  std::sort(groups.begin(), groups.end(), [&](Index a, Index b) { return rows.groups[a].id < rows.groups[b].id; });
  const auto weight_of = [&](Index node) { return simulation.takes_part()[node] ? rows.nodes[node].weight : 0; };
  std::vector<NodeRow> found;
  for (const Index group : groups) {
    double weight = 0, requests = 0;
    for (const Index node : topology_->nodes_of(group)) {
      weight += weight_of(node);
      requests += static_cast<double>(requests_of_[node]);
    }
    for (const Index node : topology_->nodes_of(group))
      found.push_back({node, rows.nodes[node].id, rows.groups[group].id, requests_of_[node],
                       percent(static_cast<double>(requests_of_[node]), requests), percent(weight_of(node), weight)});
  }
  return found;
}

std::string Figures::json(std::uint64_t seed, const Simulation& simulation) const {
  std::string object;
  geo::Json json(object);
  const auto number = [&](std::string_view name, const std::optional<double>& value, int decimals) {
    json.key_of(name);
    value ? json.number(*value, decimals) : json.null();
  };
  json.open('{').field("seed", static_cast<std::int64_t>(seed));
  json.field("requests", static_cast<std::int64_t>(requests_)).key("refused").open('{');
  for (const auto& [code, count] : refused_) json.key_of(name_of(code)).number(static_cast<std::int64_t>(count));
  json.close('}').key("nodes").open('[');
  for (const NodeRow& row : nodes(simulation)) {
    json.open('{').field("node", row.id).field("group", row.group);
    json.field("requests", static_cast<std::int64_t>(row.requests));
    json.key("share_percent").number(row.share_percent, 3).key("weight_percent").number(row.weight_percent, 3);
    json.field("running_max", std::int64_t{simulation.running_max()[row.node]}).close('}');
  }
  json.close(']');
  number("peak_over_mean", simulation.peak_over_mean(), 3);
  json.key("distance_km");
  if (const auto km = distances()) {
    json.open('{');
    number("median", km->median, 1);
    number("p90", km->p90, 1);
    number("p99", km->p99, 1);
    json.close('}');
  } else {
    json.null();
  }
  number("spill_percent", spill_percent(), 3);
  number("nodes_per_camera", nodes_per_camera(), 3);
  json.close('}');
  return object;
}

void Figures::print(Output& output, std::uint64_t seed, const Simulation& simulation) const {
  Table table({{"NODE"},
               {"GROUP"},
               {"REQUESTS", Align::right},
               {"SHARE", Align::right},
               {"WEIGHT", Align::right},
               {"RUNNING MAX", Align::right}});
  std::vector<std::vector<std::string>> lines;
  for (const NodeRow& row : nodes(simulation))
    table.fit(lines.emplace_back(
        std::vector<std::string>{std::string(row.id), std::string(row.group), fmt::to_string(row.requests),
                                 fmt::format("{:.2f}%", row.share_percent), fmt::format("{:.2f}%", row.weight_percent),
                                 fmt::to_string(simulation.running_max()[row.node])}));
  output.line(output.out.bold(table.header()));
  for (const auto& line : lines) output.line(table.row(line));
  const auto km = distances();
  std::vector<std::pair<std::string, std::string>> rows{
      {"seed", fmt::to_string(seed)},
      {"requests", fmt::to_string(requests_)},
      {"peak over mean",
       simulation.peak_over_mean() ? fmt::format("{:.3f}", *simulation.peak_over_mean()) : std::string("-")},
      {"distance", km ? fmt::format("median {:.0f} km, p90 {:.0f} km, p99 {:.0f} km", km->median, km->p90, km->p99)
                      : std::string("-")},
      {"spill", fmt::format("{:.2f}%", spill_percent())},
      {"nodes per camera", fmt::format("{:.3f}", nodes_per_camera())}};
  for (const auto& [code, count] : refused_)
    rows.emplace_back("refused", fmt::format("{} {}", count, output.out.red(name_of(code))));
  output.line("");
  output.out.write(key_values(rows));
}

}  // namespace geoctl
