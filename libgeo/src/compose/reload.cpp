#include <algorithm>
#include <utility>

#include "compose/topology.h"

namespace geo::compose {
namespace {

bool has(const World& world, const std::shared_ptr<const io::CityIndex>& index) {
  return std::any_of(world.databases.begin(), world.databases.end(),
                     [&](const Database& each) { return each.index == index; });
}

// Others may have changed the world while the new one was built from `before`: what they brought stays.
std::shared_ptr<const World> follow(const World& built, const World& before, const World& now) {
  auto next = std::make_shared<World>(built);
  const bool same_store = last_good_file(built) == last_good_file(before);
  if (same_store) {
    auto reports = built.watched->reports.with([](const auto& read) { return read; });
    now.watched->reports.with([&](auto& known) { known = std::move(reports); });
    now.watched->confirmed_s = built.watched->confirmed_s.load();
    next->watched = now.watched;
  }
  bool others_databases = false;
  for (Database& each : next->databases)
    for (const Database& current : now.databases)
      if (current.seen == each.seen && !has(before, current.index)) each = current, others_databases = true;
  if (next->has_topology() && now.has_topology()) {
    // how its nodes fare goes on
    if (same_store && now.snapshot.topology != before.snapshot.topology) {
      next->snapshot.live = now.snapshot.live;
      put_topology(*next, now.snapshot.topology->rows(), now.topology);
    } else {
      next->snapshot.live = std::make_shared<balance::Live>(built.snapshot.live->balancer(), *now.snapshot.live);
      take_reports(*next);
    }
  }
  if (others_databases) next->snapshot.resolver = reindexed(*next);
  return next;
}

}  // namespace

Reloaded reload(const std::shared_ptr<const World>& current, const config::Read& read,
                const std::function<void(const std::string&)>& log) {
  Options options;
  options.serving = true;
  options.indexed = true;
  options.reports_may_fail = true;
  options.before = current;
  options.log = log;
  options.told = current->told;
  Built built = build(read, options);
  Reloaded reloaded{nullptr, std::move(built.faults), std::move(built.denial)};
  if (built.world != nullptr)
    reloaded.change = [world = std::shared_ptr<const World>(std::move(built.world)), current](const World& now) {
      return follow(*world, *current, now);
    };
  return reloaded;
}

}  // namespace geo::compose
