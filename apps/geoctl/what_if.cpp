#include "what_if.h"

#include <fmt/format.h>

#include <algorithm>

#include "geo/io/system.h"

namespace geoctl {
namespace {

using geo::balance::Balancer;
using geo::balance::Report;
using geo::place::Admin;
using geo::place::Index;
using geo::place::kNone;

const Report* report_of(const std::vector<Report>& reports, const std::string& node) {
  const auto found = std::find_if(reports.begin(), reports.end(), [&](const Report& each) { return each.id == node; });
  return found == reports.end() ? nullptr : &*found;
}

// Where all of a group's reports are old they count as unknown; one that is new must not make the others stale.
void forget_failed(std::vector<Report>& reports, const Balancer& balancer, Index group, geo::WallTime now) {
  const geo::place::Topology& topology = balancer.topology();
  std::vector<std::string> old;
  for (const Index node : topology.nodes_of(group)) {
    const Report* report = report_of(reports, topology.node(node).id);
    if (report == nullptr || topology.node(node).admin != Admin::online) continue;
    if (!balancer.is_stale(*report, now)) return;
    old.push_back(report->id);
  }
  std::erase_if(reports, [&](const Report& each) { return std::find(old.begin(), old.end(), each.id) != old.end(); });
}

void put(std::vector<Report>& reports, const std::string& node, double load, geo::WallTime now) {
  std::erase_if(reports, [&](const Report& each) { return each.id == node; });
  Report report;
  report.id = node;
  report.seen_at = now;
  report.load = load;
  reports.push_back(std::move(report));
}

}  // namespace

geo::WallTime WhatIfs::now(const WhatIf& what_if) { return what_if.at.value_or(geo::io::SystemClock().wall()); }

geo::Result<void> WhatIfs::check(const WhatIf& what_if) const {
  const auto is_known = [&](std::string_view name, const std::string& node) -> geo::Result<void> {
    if (world_->snapshot.topology->find_node(node) != kNone) return {};
    return geo::deny(geo::ErrorCode::bad_request, fmt::format("{}: there is no node \"{}\"", name, node));
  };
  for (const std::string& node : what_if.down)
    if (auto known = is_known("down", node); !known) return known;
  for (const std::string& node : what_if.drain)
    if (auto known = is_known("drain", node); !known) return known;
  for (const auto& [node, load] : what_if.load)
    if (auto known = is_known("load", node); !known) return known;
  return {};
}

geo::redirect::Snapshot WhatIfs::snapshot(const WhatIf& what_if) {
  geo::redirect::Snapshot snapshot = world_->snapshot;
  const Shared balancer = balancer_of(what_if);
  // an alias: the balancer holds it
  snapshot.topology = {balancer, &balancer->topology()};

  std::vector<Report> reports = world_->watched->reports.with([](const auto& known) { return known; });
  const geo::WallTime at = now(what_if);
  for (const auto& [node, load] : what_if.load)
    forget_failed(reports, *balancer, snapshot.topology->group_of_node(snapshot.topology->find_node(node)), at);
  for (const auto& [node, load] : what_if.load) put(reports, node, load, at);

  snapshot.live = std::make_shared<geo::balance::Live>(balancer);
  snapshot.live->reported(reports);
  static_cast<void>(snapshot.live->tick(at, geo::io::SystemClock().monotonic()));
  return snapshot;
}

geo::Result<geo::redirect::Snapshot> WhatIfs::without(std::shared_ptr<const geo::compose::World> world,
                                                      const std::vector<std::string>& down,
                                                      const std::vector<std::string>& drain) {
  WhatIf what_if;
  what_if.down = {down.begin(), down.end()};
  what_if.drain = {drain.begin(), drain.end()};
  WhatIfs what_ifs(std::move(world));
  if (const auto known = what_ifs.check(what_if); !known) return tl::unexpected(known.error());
  return what_ifs.snapshot(what_if);
}

WhatIfs::Shared WhatIfs::balancer_of(const WhatIf& what_if) {
  const std::shared_ptr<geo::balance::Live>& live = world_->snapshot.live;
  if (what_if.down.empty() && what_if.drain.empty()) return live->balancer();
  Shared& made = balancers_[{what_if.down, what_if.drain}];
  if (made != nullptr) return made;
  geo::place::Rows rows = world_->snapshot.topology->rows();
  for (geo::place::Node& node : rows.nodes) {
    if (what_if.drain.contains(node.id)) node.admin = Admin::drain;
    if (what_if.down.contains(node.id)) node.admin = Admin::offline;
  }
  made = std::make_shared<const Balancer>(
      std::make_shared<const geo::place::Topology>(std::move(rows), world_->config.balance.nearest),
      live->balancer()->settings());
  return made;
}

}  // namespace geoctl
