#include "node_watch.h"

#include <chrono>
#include <utility>

namespace geod {
namespace {

constexpr std::chrono::milliseconds kEvery{250};

}  // namespace

void tell(const AppLog& log, const std::string& node, const geo::balance::StateChange& change,
          const std::string& why_check) {
  using geo::balance::Because, geo::balance::State;
  std::string line = fmt::format("node {}: {} -> {}", node, name_of(change.from), name_of(change.to));
  if (change.because != Because::nothing) line += fmt::format(", by {}", name_of(change.because));
  if (change.because == Because::check && change.to != State::up && !why_check.empty()) line += ": " + why_check;
  if (change.because == Because::admin)
    log.audit("{}", line);
  else
    log.write(change.to == State::up ? Level::info : Level::warn, line);
}

void tell_first_states(const AppLog& log, const geo::compose::World& world) {
  if (!world.has_topology()) return;  // those of one that comes later are changes of the first look
  const auto& nodes = world.snapshot.topology->rows().nodes;
  for (geo::place::Index node = 0; node < nodes.size(); ++node) {
    const geo::balance::NodeStatus status = world.snapshot.live->status(node);
    const bool changed = status.became[static_cast<std::size_t>(status.state)] > 0;  // a drained one always was that
    if (changed) tell(log, nodes[node].id, {node, geo::balance::State::up, status.state, status.because}, {});
  }
}

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
  for (const geo::balance::StateChange& change : world->snapshot.live->tick(clock_.wall(), now)) {
    const std::string& node = world->snapshot.topology->node(change.node).id;
    tell(log_, node, change, checks_.why(node));
  }
  return now + kEvery;
}

}  // namespace geod
