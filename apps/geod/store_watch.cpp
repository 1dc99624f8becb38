#include "store_watch.h"

#include <algorithm>
#include <chrono>

namespace geod {
namespace {

using std::chrono::milliseconds;

constexpr milliseconds kFilesEvery{1000}, kMongoEvery{2000};
constexpr milliseconds kKeepAgain{60000};  // where somebody else keeps the last good topology, or the disk is full

}  // namespace

StoreWatch::StoreWatch(Worlds& worlds, const geo::Clock& clock, const AppLog& log)
    : worlds_(worlds), clock_(clock), log_(log), repeated_("the store", clock, log, [this] { return look(); }) {}

geo::MonotonicTime StoreWatch::look() {
  const geo::MonotonicTime now = clock_.monotonic();
  worlds_.forget_past();
  const std::shared_ptr<const geo::compose::World> world = worlds_.latest();
  const bool in_mongodb = world->store != nullptr;
  if (world->store != store_) {  // a reload brought another one
    store_ = world->store;
    next_topology_ = next_states_ = geo::MonotonicTime::min();
  }
  if (now >= next_topology_) {
    // so that a change is seen within refresh_s
    next_topology_ = in_mongodb ? now + milliseconds(world->config.store.refresh_s * 500) : geo::MonotonicTime::max();
    look_at_topology();
  }
  if (now >= next_states_) {
    next_states_ = now + (in_mongodb ? kMongoEvery : kFilesEvery);
    for (const std::string& line : geo::compose::refresh_states(*worlds_.latest())) log_.warn("{}", line);
    log_.trace("the store: reports of {} nodes are known",
               worlds_.latest()->watched->reports.with([](const auto& known) { return known.size(); }));
  }
  // Another topology, or, by a reload, another place to keep it.
  if (const auto latest = worlds_.latest(); latest->topology != topology_ || latest->watched != watched_) {
    topology_ = latest->topology;
    watched_ = latest->watched;
    next_keeping_ = geo::MonotonicTime::min();
  }
  if (now >= next_keeping_) keep_last_good(now);
  return std::min({next_topology_, next_states_, next_keeping_});
}

void StoreWatch::look_at_topology() {
  geo::compose::RefreshedTopology refreshed = geo::compose::refresh_topology(*worlds_.latest());
  for (const std::string& note : refreshed.notes) log_.warn("{}", note);
  if (refreshed.change == nullptr) {
    const geo::compose::World& world = *worlds_.latest();
    if (world.store != nullptr && world.watched->trouble_told.empty())
      log_.trace("the store: the topology is still {} {}", world.topology.version, world.topology.stamp);
    else if (world.store != nullptr)
      log_.debug("{}", world.watched->trouble_told);
    return;
  }
  worlds_.change(refreshed.change);
  const geo::compose::TopologyInfo& info = worlds_.latest()->topology;
  log_.info("topology {} {} is in service", info.version, info.stamp);
}

void StoreWatch::keep_last_good(geo::MonotonicTime now) {
  const auto kept = geo::compose::keep_last_good(*worlds_.latest());
  next_keeping_ = kept ? geo::MonotonicTime::max() : now + kKeepAgain;
  const std::string trouble = kept ? std::string() : kept.error().why;
  // In an upgrade the geod before this one keeps it until it has ended.
  if (!kept && trouble != trouble_told_)
    log_.write(kept.error().elsewhere ? Level::info : Level::warn,
               fmt::format("the last good topology is not kept: {}", trouble));
  trouble_told_ = trouble;
}

}  // namespace geod
