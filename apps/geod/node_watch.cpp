#include "node_watch.h"

#include <chrono>

namespace geod {
namespace {

constexpr std::chrono::milliseconds kEvery{250};

}  // namespace

NodeWatch::NodeWatch(Worlds& worlds, const geo::Clock& clock, const AppLog& log)
    : worlds_(worlds), clock_(clock), log_(log), repeated_("the nodes", clock, log, [this] { return look(); }) {}

geo::MonotonicTime NodeWatch::look() {
  const geo::MonotonicTime now = clock_.monotonic();
  const std::shared_ptr<const geo::compose::World> world = worlds_.latest();
  if (!world->has_topology()) return now + kEvery;
  for (const geo::balance::StateChange& change : world->snapshot.live->tick(clock_.wall(), now)) {
    const std::string& id = world->snapshot.topology->node(change.node).id;
    const std::string_view because = name_of(change.because);
    const std::string line = fmt::format("node {}: {} -> {}{}{}", id, name_of(change.from), name_of(change.to),
                                         because.empty() ? "" : ", by ", because);
    if (change.to == geo::balance::State::up)
      log_.info("{}", line);
    else
      log_.warn("{}", line);
  }
  return now + kEvery;
}

}  // namespace geod
