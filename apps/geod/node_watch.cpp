#include "node_watch.h"

#include <chrono>
#include <utility>

namespace geod {
namespace {

constexpr std::chrono::milliseconds kEvery{250};

}  // namespace

NodeWatch::NodeWatch(Worlds& worlds, const geo::Clock& clock, const AppLog& log, std::string user_agent)
    : worlds_(worlds),
      clock_(clock),
      log_(log),
      checks_(worlds, clock, log, std::move(user_agent), [this] { repeated_.now(); }),
      repeated_("the nodes", clock, log, [this] { return look(); }) {}

// Each of the two threads asks something of the other.
NodeWatch::~NodeWatch() {
  repeated_.stop(geo::MonotonicTime::max());
  checks_.end();
}

geo::MonotonicTime NodeWatch::look() {
  const geo::MonotonicTime now = clock_.monotonic();
  const std::shared_ptr<const geo::compose::World> world = worlds_.latest();
  if (!world->has_topology()) return now + kEvery;
  checks_.watch(world);
  for (const geo::balance::StateChange& change : world->snapshot.live->tick(clock_.wall(), now))
    tell(world->snapshot.topology->node(change.node).id, change);
  return now + kEvery;
}

void NodeWatch::tell(const std::string& node, const geo::balance::StateChange& change) {
  using geo::balance::Because, geo::balance::State;
  std::string line = fmt::format("node {}: {} -> {}", node, name_of(change.from), name_of(change.to));
  if (change.because != Because::nothing) line += fmt::format(", by {}", name_of(change.because));
  if (change.because == Because::check && change.to != State::up) line += ": " + checks_.why(node);
  log_.write(change.to == State::up ? Level::info : Level::warn, line);
}

}  // namespace geod
