#include <fmt/format.h>

#include <algorithm>

#include "compose/topology.h"

namespace geo::compose {
namespace {

using std::chrono::milliseconds;

constexpr std::chrono::seconds kTopologyPatience{10};

// Told once per change; empty: all is well again.
void tell(std::string& told, const std::string& trouble, std::string_view well, std::vector<std::string>& lines) {
  if (told == trouble) return;
  lines.push_back(trouble.empty() ? std::string(well) : trouble);
  told = trouble;
}

std::vector<std::string> read_node_states(const World& world) {
  std::vector<std::string> lines;
  const auto deadline = kClock.monotonic() + milliseconds(world.config.deadline.store_ms);
  auto reports = world.store->node_states(deadline);
  tell(world.watched->states_trouble_told,
       reports ? std::string() : "node_states cannot be read: " + reports.error() + "; the last ones age",
       "node_states are read again", lines);
  if (!reports) return lines;
  world.watched->reports.with([&](auto& known) { known = std::move(*reports); });
  take_reports(world);
  return lines;
}

}  // namespace

std::vector<std::string> shortened(std::vector<std::string> lines) {
  constexpr std::size_t kTold = 5;
  if (lines.size() <= kTold) return lines;
  const std::string more = fmt::format("and {} faults more", lines.size() - kTold);
  lines.resize(kTold);
  lines.push_back(more);
  return lines;
}

std::vector<std::string> refresh_states(const World& world) {
  if (!world.has_topology()) return {};
  if (world.store != nullptr) return read_node_states(world);
  Watched& watched = *world.watched;
  const std::filesystem::path file = world.config.path(world.config.store.dir) / "states.toml";
  // The stamp is taken before the file is read: a write in between is seen the next time.
  const std::optional<io::FileStamp> stamp = io::stamp_of(file);
  const bool settled = !stamp || !is_young(*stamp);
  if (stamp == watched.states_stamp && watched.states_settled) return {};
  const bool told = stamp == watched.states_stamp;
  watched.states_stamp = stamp;
  watched.states_settled = settled;  // a file this young may change again within the same tick of its clock
  io::ReadStates read = io::read_states(file, world.snapshot.topology->rows().nodes);
  if (read.readable) {
    watched.reports.with([&](auto& known) { known = std::move(read.reports); });
    take_reports(world);
  }
  std::vector<std::string> lines;
  if (!told)
    for (const Fault& fault : read.faults) lines.push_back(to_string(fault));
  return shortened(std::move(lines));
}

RefreshedTopology refresh_topology(const World& world) {
  RefreshedTopology refreshed;
  if (world.store == nullptr) return refreshed;
  std::optional<io::TopologyStamp> known;
  // Of the last good one too: where the store still says the same, that it serves is news, but not what it is.
  if (world.has_topology()) known = io::TopologyStamp{world.topology.version, world.topology.stamp};
  auto read = world.store->topology(known, kClock.monotonic() + kTopologyPatience);
  tell(world.watched->trouble_told,
       read ? std::string()
            : fmt::format("the store {}: {}; {}", read.error().away ? "cannot be reached" : "has no good topology",
                          read.error().why,
                          world.has_topology() ? "the topology in service stays" : "nobody can be served until it has"),
       "the store is back", refreshed.notes);
  if (!read) return refreshed;
  const auto now_s = std::chrono::floor<std::chrono::seconds>(kClock.wall()).time_since_epoch().count();
  world.watched->confirmed_s = now_s;
  if (*read) {
    io::MongoTopology& topology = **read;
    refreshed.change = [rows = std::move(topology.rows), stamp = topology.stamp](const World& now) {
      auto next = std::make_shared<World>(now);
      put_topology(*next, rows, {stamp.version, stamp.stamp, "mongodb"});
      return next;
    };
  } else if (world.topology.source == "last_good") {
    refreshed.change = [](const World& now) {
      auto next = std::make_shared<World>(now);
      next->topology.source = "mongodb";
      return next;
    };
  }
  return refreshed;
}

tl::expected<void, io::NotKept> keep_last_good(const World& world) {
  if (!world.has_topology() || world.topology.source == "last_good") return {};
  const std::filesystem::path file = last_good_file(world);
  std::optional<io::FileLock>& lock = world.watched->last_good_lock;
  if (!lock) {
    auto taken = io::FileLock::take(file);
    if (!taken) return tl::unexpected(std::move(taken.error()));
    lock = std::move(*taken);
  }
  auto saved = io::save_last_good(file, world.snapshot.topology->rows(), world.topology.version, world.topology.stamp,
                                  kClock.wall());
  if (!saved) return tl::unexpected(io::NotKept{false, std::move(saved.error())});
  return {};
}

}  // namespace geo::compose
