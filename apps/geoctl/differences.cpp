#include "differences.h"

#include <fmt/format.h>

#include <algorithm>

#include "geo/base/text.h"

namespace geoctl {
namespace {

const std::string& id_of(const Pick& pick, const geo::place::Topology& topology) {
  static const std::string kNobody;
  return pick.refused ? kNobody : topology.node(pick.node).id;
}

}  // namespace

void Differences::count(const Ask& ask, const Pick& before, const geo::place::Topology& old_topology, const Pick& after,
                        const geo::place::Topology& new_topology) {
  ++requests_;
  cameras_.insert(ask.camera_number);
  // half a metre is no distance: the same place may be written with another digit
  constexpr double kSameKm = 0.0005;
  if (before.distance_km && after.distance_km && *after.distance_km > *before.distance_km + kSameKm) ++farther_;
  const std::string &from = id_of(before, old_topology), &to = id_of(after, new_topology);
  if (from == to) return;
  ++moved_;
  if (to.empty()) ++lost_;
  if (from.empty()) ++gained_;
  cameras_moved_.insert(ask.camera_number);
  ++moves_[{from, to}];
}

double Differences::percent(std::uint64_t part, std::uint64_t whole) const {
  return whole == 0 ? 0 : 100 * static_cast<double>(part) / static_cast<double>(whole);
}

double Differences::moved_percent() const { return percent(moved_, requests_); }

// The largest first.
std::vector<Differences::Move> Differences::moves() const {
  std::vector<Move> found;
  for (const auto& [between, requests] : moves_) found.push_back({between.first, between.second, requests});
  std::stable_sort(found.begin(), found.end(), [](const Move& a, const Move& b) { return a.requests > b.requests; });
  return found;
}

std::string Differences::json() const {
  std::string object;
  geo::Json json(object);
  json.open('{').field("requests", static_cast<std::int64_t>(requests_));
  json.key("moved_percent").number(moved_percent(), 3);
  json.key("cameras_moved_percent").number(percent(cameras_moved_.size(), cameras_.size()), 3);
  json.field("lost", static_cast<std::int64_t>(lost_)).field("gained", static_cast<std::int64_t>(gained_));
  json.key("farther_percent").number(percent(farther_, requests_), 3).key("moves").open('[');
  for (const Move& move : moves()) {
    json.open('{').field_or_null("from", move.from).field_or_null("to", move.to);
    json.field("requests", static_cast<std::int64_t>(move.requests)).close('}');
  }
  json.close(']').close('}');
  return object;
}

void Differences::print(Output& output) const {
  output.out.write(
      key_values({{"requests", fmt::to_string(requests_)},
                  {"moved", fmt::format("{:.2f}%, with {:.2f}% of the cameras", moved_percent(),
                                        percent(cameras_moved_.size(), cameras_.size()))},
                  {"lost", fmt::format("{}{}", lost_, lost_ == 0 ? "" : ", nobody serves them any more")},
                  {"gained", fmt::to_string(gained_)},
                  {"farther", fmt::format("{:.2f}% get a node that is farther away", percent(farther_, requests_))}}));
  const std::vector<Move> all = moves();
  if (all.empty()) return;
  constexpr std::size_t kShownMax = 40;
  Table table({{"FROM"}, {"TO"}, {"REQUESTS", Align::right}, {"OF ALL", Align::right}});
  std::vector<std::vector<std::string>> lines;
  for (const Move& move : all) {
    if (lines.size() == kShownMax) break;
    table.fit(lines.emplace_back(std::vector<std::string>{
        move.from.empty() ? "-" : move.from, move.to.empty() ? "-" : move.to, fmt::to_string(move.requests),
        fmt::format("{:.2f}%", percent(move.requests, requests_))}));
  }
  output.line("");
  output.line(output.out.bold(table.header()));
  for (const auto& line : lines) output.line(table.row(line));
  if (all.size() > kShownMax) output.line(output.out.dim(fmt::format("and {} more", all.size() - kShownMax)));
}

}  // namespace geoctl
